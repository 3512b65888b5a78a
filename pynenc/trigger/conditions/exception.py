"""Failures: condition and context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pynenc.invocation.arguments import Arguments
from pynenc.trigger.conditions.base import Condition, Filter


@dataclass(frozen=True, slots=True)
class ExceptionCondition(Condition):
    """Met when an invocation of a task fails with one of the exceptions (names of classes)."""

    kind = "exception"
    task_id: str
    exception_types: tuple[str, ...] = ()
    call_arguments: Filter | None = None


@dataclass(frozen=True, slots=True)
class ExceptionContext:
    """A failure."""

    kind: ClassVar[str] = "exception"
    invocation_id: str
    task_id: str
    arguments: Arguments
    exception_type: str
    exception_message: str
