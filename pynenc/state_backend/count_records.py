"""The records of counts: those of each process, and the sum of those that are over."""

from __future__ import annotations

import msgspec

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


TOTALS = "totals"

COUNT_RECORDS = (
    RecordSpec(ProcessCounts, "process_counts", (Index((), "at"),)),
    RecordSpec(TotalCounts, "total_counts"),
)
"""The kinds of records that counts need."""
