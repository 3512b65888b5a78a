"""The ticks of cron expressions, in a time zone, across changes of its clock.

A time of day that the change to summer time leaves out counts as the moment that it would have been
with the clock unchanged. Where the change back makes a time of day happen twice, an expression whose
hours are fixed ticks the first time only; one whose hours begin with `*` ticks both times.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import croniter

_NEAR = timedelta(hours=3)
_HOUR_FIELD = 1


class CronSchedule:
    """The ticks of one expression.

    Args:
        expression: Five fields, or six with seconds at the end; it is valid.
        timezone: IANA name of the time zone in which it is read.
    """

    def __init__(self, expression: str, timezone: str = "UTC") -> None:
        self._expression = expression
        self._zone = ZoneInfo(timezone)
        hours = expression.split()[_HOUR_FIELD] if len(expression.split()) > 1 else "*"
        self._every_hour = hours == "*"
        self._both_times = hours.startswith("*")

    def next_after(self, moment: float) -> float:
        """Return the first tick after a moment, both in seconds since the epoch."""
        after = datetime.fromtimestamp(moment, UTC)
        naive = after.astimezone(self._zone).replace(tzinfo=None)
        candidate = self._naive_after(naive)
        if self._every_hour and candidate - naive <= _NEAR:
            return (after + (candidate - naive)).timestamp()  # time that passes, whatever the clock says
        found = self._moment(candidate, 0)
        if found > after and self._is_steady(after, found):
            return found.timestamp()
        return min(each for each in self._near(after, candidate) if each > after).timestamp()

    def between(self, low: float, high: float) -> Iterator[float]:
        """Return the ticks after `low` and up to `high`, in order."""
        tick = self.next_after(low)
        while tick <= high:
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

    def _naive_after(self, naive: datetime) -> datetime:
        found: datetime = croniter(self._expression, naive).get_next(datetime)
        return found

    def _moment(self, naive: datetime, fold: int) -> datetime:
        return naive.replace(tzinfo=self._zone, fold=fold).astimezone(UTC)

    def _is_steady(self, after: datetime, found: datetime) -> bool:
        """Return whether the zone's clock does not change near one of the moments."""
        return all(
            len(
                {(each + shift).astimezone(self._zone).utcoffset() for shift in (-_NEAR, timedelta(0), _NEAR)}
            )
            == 1
            for each in (after, found)
        )

    def _near(self, after: datetime, candidate: datetime) -> Iterator[datetime]:
        """Return all ticks around a change of the clock, in no order."""
        naive = after.astimezone(self._zone).replace(tzinfo=None) - _NEAR
        while True:
            naive = self._naive_after(naive)
            first, second = self._moment(naive, 0), self._moment(naive, 1)
            exists = first.astimezone(self._zone).replace(tzinfo=None) == naive
            yield first
            if exists and first != second and self._both_times:
                yield second
            if naive > candidate + 2 * _NEAR and first > after:
                return
