"""Schedules: the moments at which something ticks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo


class Schedule(ABC):
    """Ticks, in seconds since the epoch; a schedule may end some day.

    Args:
        starts_at: No tick comes before this moment; None for no bound.
        ends_at: No tick comes after this moment; None for no bound.
        zone: The time zone in which ticks are shown.
    """

    def __init__(
        self, starts_at: float | None = None, ends_at: float | None = None, zone: tzinfo = UTC
    ) -> None:
        self._starts_at = starts_at
        self._ends_at = ends_at
        self._zone = zone

    @abstractmethod
    def following(self, moment: float) -> float | None:
        """Return the first tick after a moment, whatever the bounds are; None if there is none."""

    def next_after(self, moment: float) -> float | None:
        """Return the first tick after a moment; None if the schedule is over."""
        if self._starts_at is not None and moment < self._starts_at:
            moment = self._starts_at - 1e-6  # a tick at the very beginning counts
        tick = self.following(moment)
        return None if tick is None or (self._ends_at is not None and tick > self._ends_at) else tick

    def between(self, low: float, high: float) -> Iterator[float]:
        """Return the ticks after `low` and up to `high`, in order."""
        tick = self.next_after(low)
        while tick is not None and tick <= high:
            yield tick
            tick = self.next_after(tick)

    def last_between(self, low: float, high: float) -> float | None:
        """Return the last tick after `low` and up to `high`, if there is one; however many there are."""
        span = 1.0
        while low < high:
            begin = max(low, high - span)
            last = max(self.between(begin, high), default=None)
            if last is not None or begin == low:
                return last
            span *= 4
        return None

    def local(self, tick: float) -> datetime:
        """Return a tick as the clock of the time zone shows it."""
        return datetime.fromtimestamp(tick, self._zone)


class IntervalSchedule(Schedule):
    """Ticks at equal distances.

    Args:
        seconds: How far apart.
        starts_at: When the first tick comes. Without it, ticks come at whole multiples of the interval
            since the epoch, so all processes agree on them.
        ends_at: No tick comes after this moment; None for no bound.
    """

    def __init__(self, seconds: float, starts_at: float | None = None, ends_at: float | None = None) -> None:
        super().__init__(starts_at, ends_at)
        self._seconds = seconds

    def following(self, moment: float) -> float | None:
        anchor = self._starts_at or 0.0
        count = (moment - anchor) // self._seconds + 1
        tick = anchor + count * self._seconds
        return tick if tick > moment else tick + self._seconds  # rounding may have met the moment itself
