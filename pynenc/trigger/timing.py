"""Times that users give to triggers, checked and in seconds."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, tzinfo

from pynenc.exceptions import TaskDefinitionError


def positive_seconds(value: float | timedelta, name: str) -> float:
    """Return a time in seconds.

    Raises:
        TaskDefinitionError: It is not a time, or not positive; names it.
    """
    seconds = _seconds(value, name)
    if seconds <= 0:
        raise TaskDefinitionError(f"{name}={value!r} must be more than nothing")
    return seconds


def jitter_seconds(value: float | timedelta) -> float:
    """Return a jitter in seconds.

    Raises:
        TaskDefinitionError: It is not a time, or less than nothing.
    """
    seconds = _seconds(value, "jitter")
    if seconds < 0:
        raise TaskDefinitionError(f"jitter={value!r} is less than nothing")
    return seconds


def _seconds(value: float | timedelta, name: str) -> float:
    try:
        seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not math.isfinite(seconds):
        raise TaskDefinitionError(f"{name}={value!r} is neither a number of seconds nor a timedelta")
    return seconds


def bounds(start: datetime | None, end: datetime | None, zone: tzinfo) -> tuple[float | None, float | None]:
    """Return the bounds of a schedule, in seconds since the epoch.

    Args:
        start: The first moment; None for no bound.
        end: The last moment; None for no bound.
        zone: The time zone of those that have none.

    Raises:
        TaskDefinitionError: One is not a datetime, or the end is not after the start.
    """
    moments: list[float | None] = []
    for name, value in (("start", start), ("end", end)):
        if value is not None and not isinstance(value, datetime):
            raise TaskDefinitionError(f"{name}={value!r} is not a datetime")
        aware = value.replace(tzinfo=zone) if value is not None and value.tzinfo is None else value
        moments.append(None if aware is None else aware.timestamp())
    starts_at, ends_at = moments
    if starts_at is not None and ends_at is not None and starts_at >= ends_at:
        raise TaskDefinitionError(f"the schedule ends at {end}, which is not after its start at {start}")
    return starts_at, ends_at
