"""The records of how far bodies have come."""

from __future__ import annotations

import msgspec

from pynenc.storage.operations import Index
from pynenc.storage.record_store import RecordSpec

PROGRESS = "progress"


class ProgressData(msgspec.Struct, frozen=True):
    """The latest report of an invocation's body.

    Attributes:
        invocation_id: Whose.
        claim: The claim under which the body runs.
        done: The work that is done.
        total: All of it, if the body knows.
        message: What it is doing, in its words; empty if it has not said.
        at: When, in seconds since the epoch.
    """

    invocation_id: str = msgspec.field(name="key")
    claim: int
    done: float
    total: float | None
    message: str
    at: float


CHANGING = ("claim", "done", "total", "message", "at")
"""The fields that a later report changes: all but the key."""

PROGRESS_RECORDS = (RecordSpec(ProgressData, PROGRESS, (Index((), "at"),)),)
"""The kinds of records that progress needs."""
