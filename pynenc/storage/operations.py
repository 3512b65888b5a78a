"""The vocabulary of the storage port: tables, operations and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from pynenc.exceptions import StorageError

Scalar: TypeAlias = str | int | float | bytes | None
"""What a field of a record holds."""

Value: TypeAlias = Scalar | tuple[str, ...]
"""What reading a field gives: append-only fields come back as a tuple of their entries."""

Record: TypeAlias = Mapping[str, Value]
"""One record as read: field name to value. Fields never written are None, those that order
an index 0, append-only ones ()."""


class Index(msgspec.Struct, frozen=True):
    """An index: records with equal `by` fields, ordered by one numeric field, then by key.

    Keys are in the order of their UTF-8 bytes, whatever the language of the engine is. A value that orders
    has the precision of a double.

    Attributes:
        by: Fields that a query fixes to a value each; empty for all records of the table.
        order: Numeric field that orders and limits the range.
        is_sparse: Whether an engine may leave out records in which one of the `by` fields, which are texts,
            is None: nobody asks for those.
    """

    by: tuple[str, ...]
    order: str
    is_sparse: bool = False


class Table(msgspec.Struct, frozen=True):
    """A kind of record, declared by the component that owns it.

    Attributes:
        name: Unique within the app.
        fields: Every field that holds a scalar.
        indexes: What `find` and `count` may ask.
        append_only: Fields that only grow, by one text at a time.
        types: For each of `fields` what it holds, if it is not None: "text", "integer", "number", "flag" (0
            or 1) or "bytes". It is a hint, by which an engine may choose its columns; empty if that is not
            known, so that each field may hold any of them.
    """

    name: str
    fields: tuple[str, ...]
    indexes: tuple[Index, ...] = ()
    append_only: tuple[str, ...] = ()
    types: tuple[str, ...] = ()


class Insert(msgspec.Struct, frozen=True):
    """Insert a record if its key is absent."""

    table: Table
    key: str
    values: Mapping[str, Scalar]
    append: Mapping[str, str] = {}


class Patch(msgspec.Struct, frozen=True):
    """Set and append fields of an existing record whose fields have the expected values."""

    table: Table
    key: str
    values: Mapping[str, Scalar]
    expect: Mapping[str, Scalar] = {}
    append: Mapping[str, str] = {}


class Delete(msgspec.Struct, frozen=True):
    """Delete a record whose fields have the expected values."""

    table: Table
    key: str
    expect: Mapping[str, Scalar] = {}


class QueueItem(msgspec.Struct, frozen=True):
    """One entry of a queue.

    Attributes:
        item_id: Unique within the app; pushing it again while it is queued does nothing.
        payload: Text that comes back with the item.
        priority: Higher goes first.
        not_before: Seconds since the epoch before which it is not taken; 0 for at once.
    """

    item_id: str
    payload: str = ""
    priority: float = 0
    not_before: float = 0.0


class Push(msgspec.Struct, frozen=True):
    """Put items into a queue and wake who blocks on it."""

    queue: str
    items: tuple[QueueItem, ...]


class Ack(msgspec.Struct, frozen=True):
    """Remove items that were taken."""

    item_ids: tuple[str, ...]


class Notify(msgspec.Struct, frozen=True):
    """Wake whoever waits for one of the channels, in any process. Best effort."""

    channels: tuple[str, ...]


class Read(msgspec.Struct, frozen=True):
    """Read records by key; `fields` limits what is fetched, empty means all of them."""

    table: Table
    keys: tuple[str, ...]
    fields: tuple[str, ...] = ()


Write: TypeAlias = Insert | Patch | Delete
Operation: TypeAlias = Write | Push | Ack | Notify | Read


class Outcome(msgspec.Struct, frozen=True):
    """The outcome of one write.

    Attributes:
        applied: Whether the record was changed.
        current: For a write that was not applied, the guarded fields as they stand (an empty
            mapping for an insert), or None if the record is absent.
    """

    applied: bool
    current: Record | None = None


APPLIED = Outcome(True)

Reply: TypeAlias = Outcome | list[Record | None] | None
"""Outcome for a write, records for a read, None for push, ack and notify."""


class Taken(msgspec.Struct, frozen=True):
    """The items that were taken from queues.

    Attributes:
        items: The items with the queue each came from, best first.
        next_due: When nothing was ready: the time at which something will be, if known.
    """

    items: tuple[tuple[str, QueueItem], ...]
    next_due: float | None = None


class QueuedItem(msgspec.Struct, frozen=True):
    """The place of an item in its queue.

    Attributes:
        queue: The queue.
        priority: Its priority.
        held_until: Until when it is not taken, in seconds since the epoch; 0 if it is ready.
        before: The number of ready items that are taken before it; a driver may stop counting at a limit.
        before_by_priority: The number of those that have a higher priority, likewise.
    """

    queue: str
    priority: float
    held_until: float
    before: int
    before_by_priority: int


class QueueDepth(msgspec.Struct, frozen=True):
    """The number of items in a queue.

    Attributes:
        ready: Items that can be taken now.
        waiting: Items that wait for their time or are taken and not acknowledged.
    """

    ready: int
    waiting: int


class EngineInfo(msgspec.Struct, frozen=True):
    """The facts that `ping` returns about the engine and the data in it."""

    engine: str
    version: str
    layout: int
    location: str


class Cursor(msgspec.Struct, frozen=True):
    """The position after the last record of a page: its order value and key."""

    order: float
    key: str


class Query(msgspec.Struct, frozen=True):
    """A question to one declared index.

    Attributes:
        table: Where to look.
        index: One of the table's indexes.
        equals: A value for each of the index's `by` fields.
        low: Smallest order value (inclusive).
        high: Bound of the order value (exclusive).
        descending: Largest order value first.
        fields: Limits what is fetched, empty means all of them.
    """

    table: Table
    index: Index
    equals: tuple[Scalar, ...] = ()
    low: float | None = None
    high: float | None = None
    descending: bool = False
    fields: tuple[str, ...] = ()


KEY = "key"
"""Name under which every record carries its own key when it is read."""


def check_query(query: Query) -> None:
    """Refuse a query that no declared index answers.

    Raises:
        StorageError: The index is not one of the table's, or the values do not fit it.
    """
    if query.index not in query.table.indexes:
        raise StorageError(f"table '{query.table.name}' declares no index {query.index}")
    if len(query.equals) != len(query.index.by):
        raise StorageError(
            f"the index {query.index.by} of table '{query.table.name}' needs "
            f"{len(query.index.by)} values, got {len(query.equals)}"
        )


def record_key(record: Record) -> str:
    """Return the key of a record that was read."""
    return str(record[KEY])
