"""Beginnings of triggers: one condition, or several that belong together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from pynenc.exceptions import TaskDefinitionError
from pynenc.invocation.status import InvocationStatus
from pynenc.trigger.builder import Statuses as Statuses
from pynenc.trigger.builder import TaskReference as TaskReference
from pynenc.trigger.builder import TriggerBuilder as TriggerBuilder
from pynenc.trigger.conditions.base import Condition, Filter
from pynenc.trigger.conditions.composite import CompositeLogic
from pynenc.trigger.definition import Misfire

Part = TriggerBuilder | Condition
"""A condition, as it is given to what combines several."""


class TriggerStarts:
    """Begins builders; each method takes what the method of the same name of `TriggerBuilder` takes."""

    def on_cron(
        self,
        expression: str,
        timezone: str = "UTC",
        misfire: Misfire | str = Misfire.FIRE_ONCE,
        *,
        jitter: float | timedelta = 0,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> TriggerBuilder:
        """Begin a builder with a cron condition."""
        return TriggerBuilder().on_cron(expression, timezone, misfire, jitter=jitter, start=start, end=end)

    def on_interval(
        self,
        interval: float | timedelta,
        misfire: Misfire | str = Misfire.FIRE_ONCE,
        *,
        jitter: float | timedelta = 0,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> TriggerBuilder:
        """Begin a builder with a condition that is met again and again after the same time."""
        return TriggerBuilder().on_interval(interval, misfire, jitter=jitter, start=start, end=end)

    def on_event(
        self, code: str, payload_filter: Filter | None = None, filters: Filter | None = None
    ) -> TriggerBuilder:
        """Begin a builder with an event condition."""
        return TriggerBuilder().on_event(code, payload_filter, filters)

    def on_status(
        self,
        task: TaskReference,
        statuses: Statuses = InvocationStatus.SUCCESS,
        call_arguments: Filter | None = None,
    ) -> TriggerBuilder:
        """Begin a builder with a status condition."""
        return TriggerBuilder().on_status(task, statuses, call_arguments)

    def on_result(
        self, task: TaskReference, filter_result: Any = None, call_arguments: Filter | None = None
    ) -> TriggerBuilder:
        """Begin a builder with a result condition."""
        return TriggerBuilder().on_result(task, filter_result, call_arguments)

    def on_any_result(self, task: TaskReference, call_arguments: Filter | None = None) -> TriggerBuilder:
        """Begin a builder with a condition that any result meets."""
        return TriggerBuilder().on_any_result(task, call_arguments)

    def on_success(self, task: TaskReference, call_arguments: Filter | None = None) -> TriggerBuilder:
        """Begin a builder with the status SUCCESS."""
        return TriggerBuilder().on_success(task, call_arguments)

    def on_failure(self, task: TaskReference, call_arguments: Filter | None = None) -> TriggerBuilder:
        """Begin a builder with the status FAILED."""
        return TriggerBuilder().on_failure(task, call_arguments)

    def on_exception(
        self,
        task: TaskReference,
        exception_types: Iterable[type[BaseException] | str] | type[BaseException] | str | None = None,
        call_arguments: Filter | None = None,
    ) -> TriggerBuilder:
        """Begin a builder with an exception condition."""
        return TriggerBuilder().on_exception(task, exception_types, call_arguments)


_starts = TriggerStarts()
on_cron = _starts.on_cron
on_interval = _starts.on_interval
on_event = _starts.on_event
on_status = _starts.on_status
on_result = _starts.on_result
on_any_result = _starts.on_any_result
on_success = _starts.on_success
on_failure = _starts.on_failure
on_exception = _starts.on_exception


def any_of(*parts: Part) -> TriggerBuilder:
    """Begin a builder that any of some conditions meets.

    Args:
        parts: What `on_event` and the others return, each with one condition, or conditions.

    Raises:
        TaskDefinitionError: There is nothing to choose from, or a part says more than a condition.
    """
    return _combined("any_of", parts, 1)


def all_of(
    *parts: Part,
    correlate_by: str | Callable[[Any], Any] | None = None,
    within: float | timedelta = timedelta(days=1),
) -> TriggerBuilder:
    """Begin a builder that is met when all of some conditions are, in any order.

    Each occurrence is used once, so two conditions for events of one code need two events.

    Args:
        parts: What `on_event` and the others return, each with one condition, or conditions.
        correlate_by: What the occurrences must have in common: the (dotted) name of a value in the
            payload or the arguments, or a function of the context of a part. Without it, any go
            together, the oldest first.
        within: How far apart they may lie (seconds or timedelta); half a match is dropped after that.

    Raises:
        TaskDefinitionError: There are fewer than two conditions, or a part says more than a condition.
    """
    return _combined("all_of", parts, 2).with_logic(CompositeLogic.AND, within, correlate_by=correlate_by)


def sequence(
    *parts: Part,
    correlate_by: str | Callable[[Any], Any] | None = None,
    within: float | timedelta = timedelta(days=1),
) -> TriggerBuilder:
    """Begin a builder that is met when all of some conditions are, one after the other in this order.

    Args:
        parts: See `all_of`.
        correlate_by: See `all_of`.
        within: See `all_of`.

    Raises:
        TaskDefinitionError: There are fewer than two conditions, or a part says more than a condition.
    """
    return _combined("sequence", parts, 2).with_logic(
        CompositeLogic.SEQUENCE, within, correlate_by=correlate_by
    )


def _combined(name: str, parts: Iterable[Part], least: int) -> TriggerBuilder:
    builder = TriggerBuilder()
    count = 0
    for part in parts:
        if isinstance(part, TriggerBuilder):
            builder.add_part(part, name)
        else:
            builder.add_condition(part)
        count += 1
    if count < least:
        raise TaskDefinitionError(f"{name} needs at least {least} condition(s), not {count}")
    return builder
