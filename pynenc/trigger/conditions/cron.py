"""Schedules by cron expression or at equal distances: conditions and contexts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, fields
from datetime import datetime, timedelta
from typing import Any, ClassVar

from pynenc.trigger.conditions.base import Condition
from pynenc.trigger.cron import CronSchedule
from pynenc.trigger.schedule import IntervalSchedule, Schedule


class ScheduleCondition(Condition):
    """Met at every tick of a schedule.

    Attributes:
        jitter_s: A tick is fired up to this many seconds later; by how much depends on the tick.
        starts_at: No tick comes before this moment, in seconds since the epoch; None for no bound.
        ends_at: No tick comes after this moment; None for no bound.
    """

    __slots__ = ()

    jitter_s: float
    starts_at: float | None
    ends_at: float | None

    @abstractmethod
    def schedule(self) -> Schedule:
        """Return the ticks."""

    @abstractmethod
    def told(self, tick: datetime) -> CronContext | IntervalContext:
        """Return what functions are told of a tick."""


@dataclass(frozen=True, slots=True)
class CronCondition(ScheduleCondition):
    """Met at every tick of a cron expression.

    Attributes:
        expression: Five fields; a sixth has seconds and a seventh years. Or a name such as `@daily`.
        timezone: IANA name of the time zone in which the expression is read.
    """

    kind = "cron"
    expression: str
    timezone: str = "UTC"
    _: KW_ONLY
    jitter_s: float = 0.0
    starts_at: float | None = None
    ends_at: float | None = None

    def __setstate__(self, state: Sequence[Any]) -> None:
        """Restore a pickled one, perhaps of a version that had fewer fields."""
        known = fields(self)
        values = [*state, *(field.default for field in known[len(state) :])]
        for field, value in zip(known, values, strict=True):
            object.__setattr__(self, field.name, value)

    def schedule(self) -> Schedule:
        return CronSchedule(self.expression, self.timezone, self.starts_at, self.ends_at)

    def told(self, tick: datetime) -> CronContext:
        return CronContext(tick, self.expression)


@dataclass(frozen=True, slots=True)
class CronContext:
    """A tick: the time that it stands for, in the time zone of the condition."""

    kind: ClassVar[str] = "cron"
    timestamp: datetime
    expression: str


@dataclass(frozen=True, slots=True)
class IntervalCondition(ScheduleCondition):
    """Met again and again after the same time.

    Attributes:
        seconds: The time.
    """

    kind = "interval"
    seconds: float
    _: KW_ONLY
    jitter_s: float = 0.0
    starts_at: float | None = None
    ends_at: float | None = None

    def schedule(self) -> Schedule:
        return IntervalSchedule(self.seconds, self.starts_at, self.ends_at)

    def told(self, tick: datetime) -> IntervalContext:
        return IntervalContext(tick, timedelta(seconds=self.seconds))


@dataclass(frozen=True, slots=True)
class IntervalContext:
    """A tick of an interval: the time that it stands for, in UTC."""

    kind: ClassVar[str] = "interval"
    timestamp: datetime
    interval: timedelta
