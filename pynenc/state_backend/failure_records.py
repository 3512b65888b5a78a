"""The records of failures: their groups, and samples of each."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from pynenc.storage.operations import Index
from pynenc.storage.record_store import RecordSpec

FAILURE_GROUP, FAILURE_SAMPLE = "failure_group", "failure_sample"
"""Names of tables."""


class FailureState(StrEnum):
    """The decisions of people about a group of failures."""

    OPEN = "open"
    MUTED = "muted"
    RESOLVED = "resolved"


class FailureGroup(msgspec.Struct, frozen=True):
    """Failures of a task with the same class of exceptions, raised in the same function.

    Attributes:
        group_id: Its id.
        task_id: The task.
        type_name: The import path of the class of the exceptions.
        place: The file and the function in which they were raised; empty if that is not known.
        message: The text of the first.
        trace: The traceback of the first, cut in the middle if it is long.
        first_at: When the first was seen, in seconds since the epoch.
        last_at: When the last was seen.
        state: What was decided: `open`, `muted` or `resolved`.
        state_at: When that was decided; 0 if nobody has.
        note: What was noted with it.
    """

    group_id: str = msgspec.field(name="key")
    task_id: str
    type_name: str
    place: str
    message: str
    trace: str
    first_at: float
    last_at: float
    state: FailureState = FailureState.OPEN
    state_at: float = 0.0
    note: str = ""

    @property
    def is_back(self) -> bool:
        """True if it was resolved and has failed again since."""
        return self.state == FailureState.RESOLVED and self.last_at > self.state_at


class FailureSample(msgspec.Struct, frozen=True):
    """The first failed attempt of an invocation in a group of failures.

    Attributes:
        sample_id: The group and the invocation.
        group_id: The group.
        invocation_id: The invocation.
        at: When the attempt ended, in seconds since the epoch.
        message: The text of the exception.
        trace: The traceback, cut in the middle if it is long.
        is_final: 1 if the invocation has failed with it.
        weight: The number of failures for which it stands, since not all are kept.
        runner_id: The runner or worker on which it ran.
    """

    sample_id: str = msgspec.field(name="key")
    group_id: str
    invocation_id: str
    at: float
    message: str
    trace: str
    is_final: int
    weight: int
    runner_id: str


FAILURE_RECORDS = (
    RecordSpec(FailureGroup, FAILURE_GROUP, (Index((), "last_at"),)),
    RecordSpec(FailureSample, FAILURE_SAMPLE, (Index((), "at"), Index(("group_id",), "at"))),
)
"""The kinds of records that failures need."""
