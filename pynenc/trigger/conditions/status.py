"""Changes of status: condition and context."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from pynenc.invocation.arguments import Arguments
from pynenc.invocation.status import InvocationStatus
from pynenc.trigger.conditions.base import Condition, Filter


@dataclass(frozen=True, slots=True)
class StatusCondition(Condition):
    """Met when an invocation of a task enters one of the statuses."""

    kind = "status"
    task_id: str
    statuses: tuple[InvocationStatus, ...] = (InvocationStatus.SUCCESS,)
    call_arguments: Filter | None = None


@dataclass(frozen=True, slots=True)
class StatusContext:
    """A change of status."""

    kind: ClassVar[str] = "status"
    invocation_id: str
    task_id: str
    status: InvocationStatus
    arguments: Arguments
    timestamp: datetime
