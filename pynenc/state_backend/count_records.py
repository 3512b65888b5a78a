"""The records of counts: those of each process, and the sum of those that are over."""

from __future__ import annotations

import msgspec

from pynenc.recording.counts import Counts, decoded
from pynenc.storage.operations import Index
from pynenc.storage.record_store import RecordSpec


class ProcessCounts(msgspec.Struct, frozen=True):
    """The counts of one process, since it began or since the part before was added to the totals.

    Attributes:
        part_id: The process, and the number of the part.
        seq: How often it was written.
        sealed: 1 once it is about to be added to the totals, and is written no more.
        at: When it was written, in seconds since the epoch.
        data: The counts.
    """

    part_id: str = msgspec.field(name="key")
    seq: int
    sealed: int
    at: float
    data: bytes


class TotalCounts(msgspec.Struct, frozen=True):
    """The sum of all counts that belong to no process any more.

    Attributes:
        name: `TOTALS`.
        version: How often it was changed.
        data: The counts.
        merged: JSON text: the parts that were added last, with the number of their last write.
    """

    name: str = msgspec.field(name="key")
    version: int
    data: bytes
    merged: str


class Rollup(msgspec.Struct, frozen=True):
    """The activity of a minute or of an hour.

    Attributes:
        rollup_id: Its span and number.
        span: `MINUTE` or `HOUR`.
        at: The end of it, in seconds since the epoch.
        begun: The beginning of it.
        seq: The number of a minute, which counts from 1; 0 of an hour.
        data: The counts.
    """

    rollup_id: str = msgspec.field(name="key")
    span: str
    at: float
    begun: float
    seq: int
    data: bytes

    @property
    def counts(self) -> Counts:
        """The counts; none if they are damaged."""
        return decoded(self.data)


class RolledUp(msgspec.Struct, frozen=True):
    """The state of the rollups: all that is in them.

    Attributes:
        name: `ROLLED_UP`.
        seq: The number of the last minute that is in it.
        at: The moment up to which they go, in seconds since the epoch.
        data: The counts up to then.
    """

    name: str = msgspec.field(name="key")
    seq: int
    at: float
    data: bytes


class RunnerLoad(msgspec.Struct, frozen=True):
    """The load of a runner or worker, at its last sign of life.

    Attributes:
        runner_id: Whose.
        at: When it was written, in seconds since the epoch.
        running: The number of bodies that run.
        memory: The resident memory of its process, in bytes; 0 if that is not known.
        cpu: The share of a core that its process has used since the sign of life before.
        oldest_s: For how long the oldest of the bodies has run, in seconds.
        slots: The number of bodies that can run at a time.
        clock_s: By how much the clock that runners share is ahead of that of its machine, in seconds.
    """

    runner_id: str = msgspec.field(name="key")
    at: float
    running: int
    memory: int
    cpu: float
    oldest_s: float
    slots: int
    clock_s: float


TOTALS, ROLLED_UP = "totals", "rolled up"
MINUTE, HOUR = "minute", "hour"

COUNT_RECORDS = (
    RecordSpec(ProcessCounts, "process_counts", (Index((), "at"),)),
    RecordSpec(TotalCounts, "total_counts"),
    RecordSpec(Rollup, "rollup", (Index(("span",), "at"),)),
    RecordSpec(RolledUp, "rolled_up"),
    RecordSpec(RunnerLoad, "runner_load", (Index((), "at"),)),
)
"""The kinds of records that counts need."""
