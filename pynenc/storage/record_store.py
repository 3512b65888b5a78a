"""Keeping typed records: what a component asks of whatever it stands on.

The typed twin of the storage port. A component says which kinds of records it keeps; an author
implements three methods for all of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, TypeAlias, TypeVar

import msgspec

from pynenc.storage.group import Group, Pending
from pynenc.storage.operations import Cursor, Index, Scalar

R = TypeVar("R", bound=msgspec.Struct)

_PAGE = 500


class RecordSpec(msgspec.Struct, frozen=True):
    """A kind of records that a component keeps.

    Attributes:
        record_type: A struct class; its first field is the key, and encoded as `key`.
        name: The name of the table, unique within the app.
        indexes: What lookups may ask; no two have the same `by` fields.
        append_only: Fields of the table that only grow, besides those of the struct.
    """

    record_type: type[msgspec.Struct]
    name: str
    indexes: tuple[Index, ...] = ()
    append_only: tuple[str, ...] = ()


class Save(msgspec.Struct, frozen=True):
    """Insert a record if its key is absent."""

    record: msgspec.Struct


class Amend(msgspec.Struct, frozen=True):
    """Set fields of an existing record whose fields are as the guard says."""

    record_type: type[msgspec.Struct]
    key: str
    values: Mapping[str, Scalar]
    guard: Mapping[str, Scalar] = {}


class Remove(msgspec.Struct, frozen=True):
    """Delete a record whose fields are as the guard says."""

    record_type: type[msgspec.Struct]
    key: str
    guard: Mapping[str, Scalar] = {}


class Wake(msgspec.Struct, frozen=True):
    """Wake whoever listens to one of the channels, in any process. Best effort."""

    channels: tuple[str, ...]


RecordWrite: TypeAlias = Save | Amend | Remove | Wake


class Lookup(msgspec.Struct, frozen=True):
    """A question to a declared index.

    Attributes:
        record_type: Which records.
        equals: The `by` fields of the index, each with its value.
        low: The smallest order value (inclusive).
        high: The bound of the order value (exclusive).
        newest_first: Whether the largest order value comes first.
    """

    record_type: type[msgspec.Struct]
    equals: Mapping[str, Scalar] = {}
    low: float | None = None
    high: float | None = None
    newest_first: bool = False


class RecordStore(ABC):
    """Keeps records of the kinds in `records`.

    Attributes:
        records: The kinds of records.
    """

    records: ClassVar[tuple[RecordSpec, ...]] = ()

    @abstractmethod
    def write(self, writes: Sequence[RecordWrite]) -> list[bool]:
        """Carry out writes in order, each atomic for its one record.

        Returns:
            Whether each was applied; True for `Wake`.
        """

    @abstractmethod
    def read(self, record_type: type[R], keys: Sequence[str]) -> list[R | None]:
        """Return records in order, None where there is none."""

    @abstractmethod
    def find(self, record_type: type[R], lookup: Lookup, limit: int, after: Cursor | None = None) -> list[R]:
        """Return the first records that a lookup finds, by order value and key.

        Args:
            record_type: The type of the records, as in the lookup.
            lookup: The question.
            limit: The largest number to return.
            after: Continue behind this position.
        """

    # What follows has a default, and may be overridden for speed.

    def stage_write(self, group: Group, writes: Sequence[RecordWrite]) -> Pending[list[bool]]:
        """Write as a step of a group."""
        return group.call(lambda: self.write(writes))

    def stage_read(self, group: Group, record_type: type[R], keys: Sequence[str]) -> Pending[list[R | None]]:
        """Read as a step of a group."""
        return group.call(lambda: self.read(record_type, keys))

    def find_all(self, record_type: type[R], lookup: Lookup) -> list[R]:
        """Return everything that a lookup finds."""
        order = self.order_of(lookup)
        found: list[R] = []
        after: Cursor | None = None
        while True:
            page = self.find(record_type, lookup, _PAGE, after)
            found += page
            if len(page) < _PAGE:
                return found
            after = Cursor(getattr(page[-1], order), key_of(page[-1]))

    def write_many(self, writes: Sequence[RecordWrite]) -> None:
        """Write any number of records, a bounded number at a time."""
        for start in range(0, len(writes), _PAGE):
            self.write(writes[start : start + _PAGE])

    def remove_all(self, lookup: Lookup) -> None:
        """Delete everything that a lookup finds, a bounded number at a time."""
        while page := self.find(lookup.record_type, lookup, _PAGE):
            self.write([Remove(lookup.record_type, key_of(each)) for each in page])

    def count(self, lookup: Lookup) -> int:
        """Return how many records a lookup finds."""
        return len(self.find_all(lookup.record_type, lookup))

    def count_many(self, lookups: Sequence[Lookup], limit: int) -> list[int]:
        """Return how many records each lookup finds; each count stops at `limit`."""
        return [len(self.find(each.record_type, each, limit)) for each in lookups]

    def order_of(self, lookup: Lookup) -> str:
        """Return the field by which the records of a lookup are ordered."""
        spec = next(each for each in self.records if each.record_type is lookup.record_type)
        return next(index.order for index in spec.indexes if set(index.by) == set(lookup.equals))


def key_of(record: msgspec.Struct) -> str:
    """Return the key of a record."""
    key: str = getattr(record, record.__struct_fields__[0])
    return key


def swap(before: R | None, after: R | None, guarded: Sequence[str]) -> RecordWrite:
    """Return the write that puts a record in the place of another with the same key.

    Args:
        before: The record as it was read; None to insert `after`.
        after: The record as it is to be; None to delete `before`.
        guarded: The fields that have to be as in `before`, and are set to those of `after`.
    """
    if before is None:
        if after is None:
            raise ValueError("a swap needs a record before or after")
        return Save(after)
    guard = {name: getattr(before, name) for name in guarded}
    if after is None:
        return Remove(type(before), key_of(before), guard)
    return Amend(type(before), key_of(before), {name: getattr(after, name) for name in guarded}, guard)


def upserts(records: Sequence[msgspec.Struct], fields: Sequence[str]) -> list[RecordWrite]:
    """Return the writes that store records, or set these fields of those that are there."""
    writes: list[RecordWrite] = []
    for record in records:
        values = {name: getattr(record, name) for name in fields}
        writes += [Save(record), Amend(type(record), key_of(record), values)]
    return writes
