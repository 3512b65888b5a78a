"""The records of alerts."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from pynenc.storage.operations import Index
from pynenc.storage.record_store import RecordSpec


class AlertState(StrEnum):
    """The states of an alert."""

    PENDING = "pending"
    FIRING = "firing"
    OVER = "over"


class AlertData(msgspec.Struct, frozen=True):
    """Something that a rule has found to be wrong with a subject.

    Attributes:
        alert_id: The rule and the subject.
        rule: The rule.
        subject: What it is about: a queue, a task, an invocation, a host, or the app.
        state: `pending` until it has been wrong for long enough, then `firing`, at last `over`.
        version: How often it was changed.
        at: Since when it is in this state, in seconds since the epoch.
        begun: Since when it is wrong.
        missed_at: Since when it is right again, while it still fires; 0 if it is wrong.
        told_at: When it was told last; 0 if it was not yet, since it began.
        seen_at: When its value and its text were noted.
        silent_until: Until when it is not told.
        value: The value that was found last.
        text: The finding in words.
    """

    alert_id: str = msgspec.field(name="key")
    rule: str
    subject: str
    state: AlertState
    version: int
    at: float
    begun: float
    missed_at: float = 0.0
    told_at: float = 0.0
    seen_at: float = 0.0
    silent_until: float = 0.0
    value: float = 0.0
    text: str = ""


ALERT_RECORDS = (RecordSpec(AlertData, "alert", (Index(("state",), "at"),)),)
"""The kinds of records that alerts need."""
