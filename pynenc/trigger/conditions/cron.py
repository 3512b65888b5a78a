"""Cron schedules: condition and context."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from pynenc.trigger.conditions.base import Condition


@dataclass(frozen=True, slots=True)
class CronCondition(Condition):
    """Met at every tick of a cron expression.

    Attributes:
        expression: Five fields, or six with seconds at the end.
        timezone: IANA name of the time zone in which the expression is read.
    """

    kind = "cron"
    expression: str
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class CronContext:
    """A tick: the time that it stands for, in the time zone of the condition."""

    kind: ClassVar[str] = "cron"
    timestamp: datetime
    expression: str
