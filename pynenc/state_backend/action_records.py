"""The records of what people do: an audit trail, and jobs that act on many invocations."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from pynenc.storage.operations import Index
from pynenc.storage.record_store import RecordSpec

AUDIT, JOB = "audit", "job"
"""Names of tables."""


class AuditEntry(msgspec.Struct, frozen=True):
    """Something that somebody did, or tried to.

    It is written before it takes effect; its result follows.

    Attributes:
        audit_id: Its id.
        at: When, in seconds since the epoch.
        user: Who.
        role: In which role.
        address: From where: an address of the network, or a machine.
        action: What, in one word or two.
        target: On what: the id of an invocation or of something else; None if it is about many.
        filter: The line of the search that names those it is about, if there are many.
        count: The number of those it is about.
        reason: Why, if that was told.
        result: What came of it; empty as long as that is not known.
        is_error: 1 if nothing came of it.
    """

    audit_id: str = msgspec.field(name="key")
    at: float
    user: str
    role: str
    address: str
    action: str
    target: str | None = None
    filter: str = ""
    count: int = 1
    reason: str = ""
    result: str = ""
    is_error: int = 0


class JobKind(StrEnum):
    """The kinds of jobs."""

    CANCEL = "cancel"
    AGAIN = "again"
    PURGE = "purge"
    FIRE = "fire"


class JobState(StrEnum):
    """The states of a job."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    DONE = "done"

    @property
    def is_over(self) -> bool:
        """True if nothing is done for it any more."""
        return self in (JobState.STOPPED, JobState.DONE)


class Job(msgspec.Struct, frozen=True):
    """An action on all invocations that fit a search, or one that needs a runner.

    Attributes:
        job_id: Its id.
        kind: What is done.
        state: Where it stands.
        version: How often it was changed.
        at: Since when it is in this state, in seconds since the epoch.
        asked_at: When it was asked for; what was made later is left alone.
        asked_by: Who asked for it.
        audit_id: The entry of the audit trail.
        line: The line of the search, as it was asked.
        filter: JSON text: the filter that it stands for; the payload, of a trigger to fire.
        estimate: The number that was found before it began; a lower bound if `is_capped`.
        is_capped: 1 if there were more.
        cursor: Where the search goes on; empty at the begin.
        slice: JSON text: the ids that are acted on now; empty if there are none.
        is_last: 1 if nothing is behind the slice.
        done: The number of those that were acted on.
        skipped: The number of those for which there was nothing to do.
        failed: The number of those on which the action failed.
        errors: JSON text: the first errors, and why some were skipped.
    """

    job_id: str = msgspec.field(name="key")
    kind: JobKind
    state: JobState
    version: int
    at: float
    asked_at: float
    asked_by: str
    audit_id: str
    line: str
    filter: str
    estimate: int = 0
    is_capped: int = 0
    cursor: str = ""
    slice: str = ""
    is_last: int = 0
    done: int = 0
    skipped: int = 0
    failed: int = 0
    errors: str = "[]"


ACTION_RECORDS = (
    RecordSpec(AuditEntry, AUDIT, (Index((), "at"), Index(("target",), "at", is_sparse=True))),
    RecordSpec(Job, JOB, (Index(("state",), "at"), Index((), "asked_at"))),
)
"""The kinds of records that actions need."""
