"""The fluent builder of triggers."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo

from pynenc.exceptions import TaskDefinitionError
from pynenc.identifiers.task_id import TaskId
from pynenc.invocation.status import InvocationStatus
from pynenc.trigger.conditions.base import Condition, Filter
from pynenc.trigger.conditions.composite import CompositeLogic
from pynenc.trigger.conditions.cron import CronCondition, IntervalCondition, ScheduleCondition
from pynenc.trigger.conditions.event import EventCondition
from pynenc.trigger.conditions.exception import ExceptionCondition
from pynenc.trigger.conditions.result import ResultCondition
from pynenc.trigger.conditions.status import StatusCondition
from pynenc.trigger.cron import check_expression
from pynenc.trigger.definition import ArgumentProvider, Misfire, TriggerDefinition, TriggerOptions
from pynenc.trigger.definition_checks import check_composite, fitted
from pynenc.trigger.filter_checks import check_filter, check_wanted
from pynenc.trigger.records import check_code
from pynenc.trigger.timing import bounds, jitter_seconds, positive_seconds

if TYPE_CHECKING:
    from typing import Self

_SHORTEST_S = 0.1


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

    def add_part(self, other: TriggerBuilder, where: str) -> Self:
        """Add the one condition of another builder, which must say nothing else.

        Raises:
            TaskDefinitionError: It says more, or has no condition.
        """
        if len(other._conditions) != 1 or other._providers or set(other._options) - {"misfire"}:
            raise TaskDefinitionError(
                f"{where} combines single conditions, such as on_event('paid'); arguments and caps are given "
                f"to what {where} returns, and combinations do not nest"
            )
        self._options.update(other._options)
        return self.add_condition(other._conditions[0])

    def on_cron(
        self,
        expression: str,
        timezone: str = "UTC",
        misfire: Misfire | str = Misfire.FIRE_ONCE,
        *,
        jitter: float | timedelta = 0,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> Self:
        """Start at every tick of a cron expression.

        Args:
            expression: Five fields; a sixth has seconds and a seventh years. Or a name such as
                `@daily`.
            timezone: IANA name of the time zone in which the expression is read.
            misfire: What becomes of ticks at which no runner was there: `skip` them, `fire_once` for
                the last of them, or `fire_all`.
            jitter: Each tick is fired up to this much later (seconds or timedelta), so that not all
                of a system starts at once; by how much depends on the tick.
            start: No tick comes before this moment. Without a time zone it is read in `timezone`.
            end: No tick comes after this moment; then the schedule is over.

        Raises:
            TaskDefinitionError: The expression, the time zone or an option is not valid, or there is
                no such time.
        """
        check_expression(expression)
        try:
            zone = ZoneInfo(timezone)
        except (KeyError, ValueError, OSError, TypeError) as error:
            raise TaskDefinitionError(f"'{timezone}' is not a time zone: {error}") from error
        starts_at, ends_at = bounds(start, end, zone)
        condition = CronCondition(
            expression, timezone, jitter_s=jitter_seconds(jitter), starts_at=starts_at, ends_at=ends_at
        )
        return self._on_schedule(condition, misfire)

    def on_interval(
        self,
        interval: float | timedelta,
        misfire: Misfire | str = Misfire.FIRE_ONCE,
        *,
        jitter: float | timedelta = 0,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> Self:
        """Start again and again after the same time.

        Args:
            interval: The time, at least a tenth of a second (seconds or timedelta).
            misfire: See `on_cron`.
            jitter: See `on_cron`.
            start: When the first tick comes; without a time zone it is read in UTC. Without it, ticks
                come at whole multiples of the interval since the epoch, so all runners agree on them.
            end: No tick comes after this moment; then the schedule is over.

        Raises:
            TaskDefinitionError: An option is not valid.
        """
        seconds = positive_seconds(interval, "interval")
        if seconds < _SHORTEST_S:
            raise TaskDefinitionError(f"interval={interval!r} is shorter than {_SHORTEST_S} s")
        starts_at, ends_at = bounds(start, end, UTC)
        condition = IntervalCondition(
            seconds, jitter_s=jitter_seconds(jitter), starts_at=starts_at, ends_at=ends_at
        )
        return self._on_schedule(condition, misfire)

    def _on_schedule(self, condition: ScheduleCondition, misfire: Misfire | str) -> Self:
        try:
            self._options["misfire"] = Misfire(misfire)
        except ValueError:
            known = ", ".join(f"'{each}'" for each in Misfire)
            raise TaskDefinitionError(f"misfire={misfire!r} is none of {known}") from None
        if condition.starts_at is not None and condition.schedule().next_after(0.0) is None:
            raise TaskDefinitionError("the schedule has no tick between its start and its end")
        return self.add_condition(condition)

    def on_event(
        self, code: str, payload_filter: Filter | None = None, filters: Filter | None = None
    ) -> Self:
        """Start at every event with this code; `filters` is another name for `payload_filter`.

        Raises:
            TaskDefinitionError: Both names are given, or the code is empty.
        """
        if payload_filter is not None and filters is not None:
            raise TaskDefinitionError("give 'payload_filter' or 'filters', which mean the same, not both")
        try:
            check_code(code)
        except ValueError as error:
            raise TaskDefinitionError(str(error)) from None
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

    def with_logic(
        self,
        logic: CompositeLogic | str,
        window: float | timedelta = timedelta(days=1),
        correlate_by: str | Callable[[Any], Any] | None = None,
    ) -> Self:
        """Say whether all conditions must be met (`and`), in their order (`sequence`), or any (`or`).

        Args:
            logic: Which.
            window: Unless any suffices: how far apart the parts may lie (seconds or timedelta). Each
                occurrence is used once; the oldest that waits goes first.
            correlate_by: Unless any suffices: what the parts must have in common; see `all_of`.

        Raises:
            TaskDefinitionError: There is no such logic, the window is not positive, or what they have
                in common is neither a name nor a function.
        """
        is_name = isinstance(correlate_by, str) and correlate_by
        if not (correlate_by is None or is_name or callable(correlate_by)):
            raise TaskDefinitionError(
                f"correlate_by={correlate_by!r} is neither the name of a value nor a function"
            )
        self._options.update(window_s=positive_seconds(window, "window"), correlate_by=correlate_by)
        try:
            self._logic = CompositeLogic(logic.lower())
        except (ValueError, AttributeError):
            raise TaskDefinitionError(
                f"the logic {logic!r} is not one of 'and', 'or' and 'sequence'"
            ) from None
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
        self._options.update(cap=starts, cap_s=positive_seconds(per, "per"))
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
        providers = tuple(self._providers)
        definition = TriggerDefinition(
            wanted.key,
            fitted(conditions, providers, wanted.key),
            self._logic,
            providers,
            TriggerOptions(**self._options),
        )
        check_composite(definition)
        return definition


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
