"""The fluent builder of triggers."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo

from croniter import croniter

from pynenc.exceptions import TaskDefinitionError
from pynenc.identifiers.task_id import TaskId
from pynenc.invocation.status import InvocationStatus
from pynenc.trigger.conditions.base import Condition, Filter
from pynenc.trigger.conditions.composite import CompositeLogic
from pynenc.trigger.conditions.cron import CronCondition
from pynenc.trigger.conditions.event import EventCondition
from pynenc.trigger.conditions.exception import ExceptionCondition
from pynenc.trigger.conditions.result import ResultCondition
from pynenc.trigger.conditions.status import StatusCondition
from pynenc.trigger.definition import ArgumentProvider, Misfire, TriggerDefinition, TriggerOptions
from pynenc.trigger.filter_checks import check_filter, check_wanted

if TYPE_CHECKING:
    from typing import Self


class HasTaskId(Protocol):
    """A task, as far as triggers need to know it."""

    @property
    def task_id(self) -> TaskId:
        """The id of the task."""


TaskReference = HasTaskId | TaskId | str
"""A task, its id, or its name: `module.function`, or `function` in the module of the trigger."""

Statuses = Iterable[InvocationStatus | str] | InvocationStatus | str
ArgumentsMaker = Callable[[Any], Mapping[str, Any]]


class TriggerBuilder:
    """Collects conditions and how the arguments of the started task come about.

    Every method but `build` returns the builder. Without `with_logic`, any one of several
    conditions starts the task.
    """

    def __init__(self) -> None:
        self._conditions: list[Condition] = []
        self._logic = CompositeLogic.OR
        self._providers: list[ArgumentProvider] = []
        self._options: dict[str, Any] = {}

    # --- conditions --------------------------------------------------------------------

    def add_condition(self, condition: Condition) -> Self:
        """Add a condition that was made by hand."""
        if not isinstance(condition, Condition):
            raise TaskDefinitionError(f"{condition!r} is not a trigger condition")
        self._conditions.append(condition)
        return self

    def on_cron(
        self, expression: str, timezone: str = "UTC", misfire: Misfire | str = Misfire.FIRE_ONCE
    ) -> Self:
        """Start at every tick of a cron expression.

        Args:
            expression: Five fields, or six with seconds at the end.
            timezone: IANA name of the time zone in which the expression is read.
            misfire: What becomes of ticks at which no runner was there: `skip` them, `fire_once` for
                the last of them, or `fire_all`.

        Raises:
            TaskDefinitionError: The expression, the time zone or the policy is not valid.
        """
        try:
            self._options["misfire"] = Misfire(misfire)
        except ValueError:
            known = ", ".join(f"'{each}'" for each in Misfire)
            raise TaskDefinitionError(f"misfire={misfire!r} is none of {known}") from None
        if not isinstance(expression, str) or not croniter.is_valid(expression):
            raise TaskDefinitionError(
                f"'{expression}' is not a cron expression: it needs five fields (minute, hour, day of "
                f"month, month, day of week) and may have seconds as a sixth, such as '0 0 * * *'"
            )
        try:
            ZoneInfo(timezone)
        except (KeyError, ValueError, OSError) as error:
            raise TaskDefinitionError(f"'{timezone}' is not a time zone: {error}") from error
        return self.add_condition(CronCondition(expression, timezone))

    def on_event(
        self, code: str, payload_filter: Filter | None = None, filters: Filter | None = None
    ) -> Self:
        """Start at every event with this code; `filters` is another name for `payload_filter`.

        Raises:
            TaskDefinitionError: Both names are given, or the code is empty.
        """
        if payload_filter is not None and filters is not None:
            raise TaskDefinitionError("give 'payload_filter' or 'filters', which mean the same, not both")
        if not code:
            raise TaskDefinitionError("an event needs a code")
        chosen = payload_filter if filters is None else filters
        check_filter(chosen, f"event '{code}'", plain=True)
        return self.add_condition(EventCondition(code, chosen))

    def on_status(
        self,
        task: TaskReference,
        statuses: Statuses = InvocationStatus.SUCCESS,
        call_arguments: Filter | None = None,
    ) -> Self:
        """Start when an invocation of a task enters one of the statuses.

        Raises:
            TaskDefinitionError: There is no such status.
        """
        check_filter(call_arguments, f"the arguments of '{_name(task)}'")
        return self.add_condition(StatusCondition(_name(task), _statuses(statuses), call_arguments))

    def on_result(
        self, task: TaskReference, filter_result: Any = None, call_arguments: Filter | None = None
    ) -> Self:
        """Start when a task gives a result for which the function is true, or an equal one."""
        check_filter(call_arguments, f"the arguments of '{_name(task)}'")
        check_wanted(filter_result, f"the result of '{_name(task)}'")
        return self.add_condition(ResultCondition(_name(task), filter_result, call_arguments=call_arguments))

    def on_any_result(self, task: TaskReference, call_arguments: Filter | None = None) -> Self:
        """Start when a task gives a result, whatever it is."""
        check_filter(call_arguments, f"the arguments of '{_name(task)}'")
        return self.add_condition(
            ResultCondition(_name(task), any_result=True, call_arguments=call_arguments)
        )

    def on_success(self, task: TaskReference, call_arguments: Filter | None = None) -> Self:
        """Start when an invocation of a task succeeds."""
        return self.on_status(task, InvocationStatus.SUCCESS, call_arguments)

    def on_failure(self, task: TaskReference, call_arguments: Filter | None = None) -> Self:
        """Start when an invocation of a task fails."""
        return self.on_status(task, InvocationStatus.FAILED, call_arguments)

    def on_exception(
        self,
        task: TaskReference,
        exception_types: Iterable[type[BaseException] | str] | type[BaseException] | str | None = None,
        call_arguments: Filter | None = None,
    ) -> Self:
        """Start when an invocation of a task fails with one of the exceptions, or any."""
        check_filter(call_arguments, f"the arguments of '{_name(task)}'")
        given = exception_types
        if isinstance(given, (str, type)):
            given = (given,)
        names = tuple(each if isinstance(each, str) else each.__name__ for each in given or ())
        return self.add_condition(ExceptionCondition(_name(task), names, call_arguments))

    # --- logic and arguments -----------------------------------------------------------

    def with_logic(self, logic: CompositeLogic | str, window: float | timedelta = timedelta(days=1)) -> Self:
        """Say whether all conditions must be met (`and`) or any (`or`).

        Args:
            logic: Which.
            window: With `and`: how far apart the parts may lie (seconds or timedelta). Each
                occurrence is used once; the oldest that waits goes first.

        Raises:
            TaskDefinitionError: There is no such logic, or the window is not positive.
        """
        self._options["window_s"] = _positive_seconds(window, "window")
        try:
            self._logic = CompositeLogic(logic.lower())
        except (ValueError, AttributeError):
            raise TaskDefinitionError(f"the logic {logic!r} is neither 'and' nor 'or'") from None
        return self

    def with_rate_cap(self, starts: int, per: float | timedelta = 60.0) -> Self:
        """Start the task no more often than this; what goes beyond is noted and not started.

        Args:
            starts: Most starts.
            per: Within this much time (seconds or timedelta).

        Raises:
            TaskDefinitionError: A value is not positive.
        """
        if not isinstance(starts, int) or starts < 1:
            raise TaskDefinitionError(f"a rate cap needs at least one start, not {starts!r}")
        self._options.update(cap=starts, cap_s=_positive_seconds(per, "per"))
        return self

    def with_arguments(self, arguments: Mapping[str, Any] | ArgumentsMaker) -> Self:
        """Give the arguments, or a function of the context that makes them."""
        if callable(arguments):
            return self._provide("trigger", arguments)
        return self._provide("static", dict(arguments))

    def with_args_static(self, arguments: Mapping[str, Any]) -> Self:
        """Give the arguments."""
        return self._provide("static", dict(arguments))

    def with_args_provider(self, provider: ArgumentsMaker) -> Self:
        """Give a function of the context that makes the arguments."""
        return self._provide("trigger", provider)

    def with_args_from_event(self, maker: ArgumentsMaker) -> Self:
        """Give a function of the event's context that makes the arguments."""
        return self._provide("event", maker)

    def with_args_from_status(self, maker: ArgumentsMaker) -> Self:
        """Give a function of the status's context that makes the arguments."""
        return self._provide("status", maker)

    def with_args_from_result(self, maker: ArgumentsMaker) -> Self:
        """Give a function of the result's context that makes the arguments."""
        return self._provide("result", maker)

    def with_args_from_exception(self, maker: ArgumentsMaker) -> Self:
        """Give a function of the exception's context that makes the arguments."""
        return self._provide("exception", maker)

    def with_args_from_trigger_context(self, maker: ArgumentsMaker) -> Self:
        """Give a function of the whole context that makes the arguments."""
        return self._provide("trigger", maker)

    def _provide(self, source: str, value: dict[str, Any] | ArgumentsMaker) -> Self:
        self._providers.append(ArgumentProvider(source, value))
        return self

    def build(self, task_id: TaskId | str) -> TriggerDefinition:
        """Return the definition for a task.

        Raises:
            TaskDefinitionError: There is no condition.
        """
        wanted = TaskId.from_key(task_id) if isinstance(task_id, str) else task_id
        if not self._conditions:
            raise TaskDefinitionError(f"a trigger of task '{wanted}' has no condition, such as on_cron(...)")
        conditions = tuple(_in_module(each, wanted.module) for each in self._conditions)
        options = TriggerOptions(**self._options)
        return TriggerDefinition(wanted.key, conditions, self._logic, tuple(self._providers), options)


def _positive_seconds(value: float | timedelta, name: str) -> float:
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if seconds <= 0:
        raise TaskDefinitionError(f"{name}={value!r} must be more than nothing")
    return seconds


def _name(task: TaskReference) -> str:
    if isinstance(task, str):
        return task
    return task.key if isinstance(task, TaskId) else task.task_id.key


def _in_module(condition: Condition, module: str) -> Condition:
    """Return the condition with a bare task name completed by a module."""
    if isinstance(condition, (StatusCondition, ResultCondition, ExceptionCondition)):
        if "." in condition.task_id:
            return condition
        # dataclasses.replace loses the exact type for mypy; all three take the same field.
        values = {name: getattr(condition, name) for name in condition.__dataclass_fields__ if name != "kind"}
        values["task_id"] = f"{module}.{condition.task_id}"
        return type(condition)(**values)
    return condition


def _statuses(given: Statuses) -> tuple[InvocationStatus, ...]:
    items = (given,) if isinstance(given, str) else tuple(given)
    found: list[InvocationStatus] = []
    for item in items:
        try:
            found.append(InvocationStatus(item.lower()))
        except ValueError:
            names = [status.name for status in InvocationStatus]
            near = difflib.get_close_matches(item.upper(), names, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(names)}"
            raise TaskDefinitionError(f"status '{item}' does not exist; {hint}") from None
    return tuple(found)


def on_cron(
    expression: str, timezone: str = "UTC", misfire: Misfire | str = Misfire.FIRE_ONCE
) -> TriggerBuilder:
    """Return a builder that starts with `TriggerBuilder.on_cron`."""
    return TriggerBuilder().on_cron(expression, timezone, misfire)


def on_event(
    code: str, payload_filter: Filter | None = None, filters: Filter | None = None
) -> TriggerBuilder:
    """Return a builder that starts with `TriggerBuilder.on_event`."""
    return TriggerBuilder().on_event(code, payload_filter, filters)


def on_status(
    task: TaskReference,
    statuses: Statuses = InvocationStatus.SUCCESS,
    call_arguments: Filter | None = None,
) -> TriggerBuilder:
    """Return a builder that starts with `TriggerBuilder.on_status`."""
    return TriggerBuilder().on_status(task, statuses, call_arguments)


def on_result(
    task: TaskReference, filter_result: Any = None, call_arguments: Filter | None = None
) -> TriggerBuilder:
    """Return a builder that starts with `TriggerBuilder.on_result`."""
    return TriggerBuilder().on_result(task, filter_result, call_arguments)


def on_any_result(task: TaskReference, call_arguments: Filter | None = None) -> TriggerBuilder:
    """Return a builder that starts with `TriggerBuilder.on_any_result`."""
    return TriggerBuilder().on_any_result(task, call_arguments)


def on_success(task: TaskReference, call_arguments: Filter | None = None) -> TriggerBuilder:
    """Return a builder that starts with `TriggerBuilder.on_success`."""
    return TriggerBuilder().on_success(task, call_arguments)


def on_failure(task: TaskReference, call_arguments: Filter | None = None) -> TriggerBuilder:
    """Return a builder that starts with `TriggerBuilder.on_failure`."""
    return TriggerBuilder().on_failure(task, call_arguments)


def on_exception(
    task: TaskReference,
    exception_types: Iterable[type[BaseException] | str] | type[BaseException] | str | None = None,
    call_arguments: Filter | None = None,
) -> TriggerBuilder:
    """Return a builder that starts with `TriggerBuilder.on_exception`."""
    return TriggerBuilder().on_exception(task, exception_types, call_arguments)
