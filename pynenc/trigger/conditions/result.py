"""Results: condition and context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from pynenc.invocation.arguments import Arguments
from pynenc.trigger.conditions.base import Condition, Filter


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
class ResultContext:
    """A result."""

    kind: ClassVar[str] = "result"
    invocation_id: str
    task_id: str
    arguments: Arguments
    result: Any
