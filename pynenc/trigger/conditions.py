"""Conditions of triggers and what a callable is told when they are met."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from pynenc.invocation.status import InvocationStatus

Filter = Mapping[str, Any] | Callable[..., bool]
"""Exact values and operators by (dotted) name, or a function that decides."""


class CompositeLogic(StrEnum):
    """How the conditions of one trigger combine."""

    AND = "and"
    OR = "or"


@dataclass(frozen=True, slots=True)
class Condition:
    """Base of all conditions.

    Attributes:
        kind: Name under which a context is reached in a composite, such as `ctx["event"]`.
    """

    kind: ClassVar[str]


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
class EventCondition(Condition):
    """Met by every event with a code and a payload that passes the filter."""

    kind = "event"
    code: str
    payload_filter: Filter | None = None


@dataclass(frozen=True, slots=True)
class StatusCondition(Condition):
    """Met when an invocation of a task enters one of the statuses."""

    kind = "status"
    task_id: str
    statuses: tuple[InvocationStatus, ...] = (InvocationStatus.SUCCESS,)
    call_arguments: Filter | None = None


@dataclass(frozen=True, slots=True)
class ResultCondition(Condition):
    """Met when an invocation of a task succeeds with a result that passes the filter.

    Attributes:
        task_id: The task.
        filter_result: A function of the result, or the value that it must equal.
        any_result: Whether every result does.
        call_arguments: Filter on the arguments of the invocation.
    """

    kind = "result"
    task_id: str
    filter_result: Any = None
    any_result: bool = False
    call_arguments: Filter | None = None


@dataclass(frozen=True, slots=True)
class ExceptionCondition(Condition):
    """Met when an invocation of a task fails with one of the exceptions (names of classes)."""

    kind = "exception"
    task_id: str
    exception_types: tuple[str, ...] = ()
    call_arguments: Filter | None = None


CONDITIONS: Mapping[str, type[Condition]] = {
    each.kind: each
    for each in (CronCondition, EventCondition, StatusCondition, ResultCondition, ExceptionCondition)
}
"""The conditions by their kinds."""


# --- contexts ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CronContext:
    """A tick: the time that it stands for, in the time zone of the condition."""

    kind: ClassVar[str] = "cron"
    timestamp: datetime
    expression: str


@dataclass(frozen=True, slots=True)
class EventContext:
    """An event."""

    kind: ClassVar[str] = "event"
    event_id: str
    code: str
    payload: Mapping[str, Any]
    timestamp: datetime


@dataclass(frozen=True, slots=True)
class StatusContext:
    """A change of status."""

    kind: ClassVar[str] = "status"
    invocation_id: str
    task_id: str
    status: InvocationStatus
    arguments: Mapping[str, Any]
    timestamp: datetime


@dataclass(frozen=True, slots=True)
class ResultContext:
    """A result."""

    kind: ClassVar[str] = "result"
    invocation_id: str
    task_id: str
    arguments: Mapping[str, Any]
    result: Any


@dataclass(frozen=True, slots=True)
class ExceptionContext:
    """A failure."""

    kind: ClassVar[str] = "exception"
    invocation_id: str
    task_id: str
    arguments: Mapping[str, Any]
    exception_type: str
    exception_message: str


AnyContext = CronContext | EventContext | StatusContext | ResultContext | ExceptionContext


@dataclass(frozen=True, slots=True)
class TriggerContext:
    """What met the conditions of a composite: `ctx["event"]`, `ctx["status"]` and so on.

    Attributes:
        contexts: The context of each part, by the kind of its condition; of several of one kind the
            first.
        parts: The contexts in the order of the conditions.
    """

    contexts: Mapping[str, AnyContext] = field(default_factory=dict)
    parts: tuple[AnyContext, ...] = ()

    def __getitem__(self, kind: str) -> AnyContext:
        try:
            return self.contexts[kind]
        except KeyError:
            raise KeyError(f"no '{kind}' here; there are: {', '.join(self.contexts)}") from None
