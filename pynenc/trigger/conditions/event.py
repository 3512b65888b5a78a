"""Events: condition and context."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from pynenc.trigger.conditions.base import Condition, Filter


@dataclass(frozen=True, slots=True)
class EventCondition(Condition):
    """Met by every event with a code and a payload that passes the filter."""

    kind = "event"
    code: str
    payload_filter: Filter | None = None


@dataclass(frozen=True, slots=True)
class EventContext:
    """An event."""

    kind: ClassVar[str] = "event"
    event_id: str
    code: str
    payload: Mapping[str, Any]
    timestamp: datetime
