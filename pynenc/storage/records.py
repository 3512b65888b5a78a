"""Typed records on any storage."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from enum import Enum
from operator import attrgetter
from types import NoneType, UnionType
from typing import ClassVar, Generic, TypeVar, Union, cast, get_args, get_origin

import msgspec

from pynenc.identifiers.texts import storable
from pynenc.storage.base_storage import Storage, cursor_of
from pynenc.storage.drivers import StorageComponent
from pynenc.storage.group import Group, Pending
from pynenc.storage.operations import (
    KEY,
    Cursor,
    Delete,
    Insert,
    Notify,
    Operation,
    Outcome,
    Patch,
    Query,
    Read,
    Record,
    Reply,
    Scalar,
    Table,
)
from pynenc.storage.record_store import (
    Amend,
    Lookup,
    R,
    RecordSpec,
    RecordStore,
    RecordWrite,
    Remove,
    Save,
)

S = TypeVar("S", bound=msgspec.Struct)
logger = logging.getLogger("pynenc.storage")
_MOST_NOTED = 1000

unreadable: dict[str, str] = {}
"""The stored records that this process could not read, with the reasons."""


def is_unreadable(table: str, key: str) -> bool:
    """Return whether this process has met a record that it could not read."""
    return bool(unreadable) and _place(table, key) in unreadable


def may_be_unreadable(table: str, key: str) -> bool:
    """Return whether a record that was not found may be there all the same, and cannot be read.

    Call it after the attempt to read. Once this process has met so many unreadable records that it
    does not note them all, any may be.
    """
    return is_unreadable(table, key) or len(unreadable) >= _MOST_NOTED


def why_unreadable(table: str, key: str) -> str | None:
    """Return why this process could not read a record, or None if it has met no such record."""
    return unreadable.get(_place(table, key))


def note_unreadable(table: str, key: str, reason: str, log: logging.Logger) -> None:
    """Note that a record cannot be read, and log it once."""
    place = _place(table, key)
    if place not in unreadable:
        log.error("a stored record cannot be read and is left out: %s: %s", place, storable(reason))
    if len(unreadable) < _MOST_NOTED:
        unreadable[place] = storable(reason)


def _place(table: str, key: str) -> str:
    return storable(f"{table} '{key}'")


class RecordCodec(Generic[S]):
    """Turns structs into the records of a table and back.

    Args:
        spec: The kind of records; the first field of the struct is the key, in encoded form.
    """

    def __init__(self, spec: RecordSpec) -> None:
        self._struct = cast("type[S]", spec.record_type)
        key_field, *fields = msgspec.structs.fields(self._struct)
        if key_field.encode_name != KEY:
            raise TypeError(f"the first field of {self._struct.__name__} must be encoded as '{KEY}'")
        self._fields = tuple(field.name for field in fields)
        self._required = frozenset(field.name for field in fields if field.required)
        self._enums = tuple(field.name for field in fields if _is_enum(field.type))
        self._get_values = attrgetter(*self._fields, key_field.name)
        self._indexes = {frozenset(index.by): index for index in spec.indexes}
        types = tuple(_type_of(field.type) for field in fields)
        self.table = Table(spec.name, self._fields, spec.indexes, spec.append_only, types)
        self.fetched = self._fields if spec.append_only else ()
        """The fields to fetch: those of the struct."""

    def insert(self, item: S, append: Mapping[str, str] | None = None) -> Insert:
        """Return the operation that stores an item if its key is absent."""
        *fields, key = self._get_values(item)
        values: dict[str, Scalar] = dict(zip(self._fields, fields, strict=True))
        for name in self._enums:  # engines get plain strings
            values[name] = cast(Enum, values[name]).value
        return Insert(self.table, key, values, append or {})

    def changes(self, before: S, after: S) -> dict[str, Scalar]:
        """Return the fields in which two items differ, with the later values."""
        pairs = zip(self._fields, self._get_values(before), self._get_values(after), strict=False)
        values: dict[str, Scalar] = {name: new for name, old, new in pairs if new != old}
        for name in self._enums:
            if name in values:
                values[name] = cast(Enum, values[name]).value
        return values

    def query(self, lookup: Lookup, fields: tuple[str, ...] = ()) -> Query:
        """Return a lookup as a query of the table."""
        index = self._indexes[frozenset(lookup.equals)]
        equals = tuple(lookup.equals[name] for name in index.by)
        return Query(self.table, index, equals, lookup.low, lookup.high, lookup.newest_first, fields)

    def decode(self, record: Record) -> S | None:
        """Return a record as a struct; one from before a field was added has the default of that field.

        Returns:
            None if the record cannot be read: newer, damaged or hostile code has written it. It is
            noted in `unreadable`, and logged once.
        """
        try:
            return msgspec.convert(record, self._struct)
        except msgspec.ValidationError:
            known = {
                name: value for name, value in record.items() if value is not None or name in self._required
            }
        try:
            return msgspec.convert(known, self._struct)
        except msgspec.ValidationError as error:
            note_unreadable(self.table.name, str(record.get(KEY)), str(error), logger)
            return None

    def decode_all(self, records: Sequence[Record | None]) -> list[S | None]:
        """Return records as structs, None where there is none that can be read."""
        return [None if record is None else self.decode(record) for record in records]

    def found(self, storage: Storage, query: Query, limit: int, after: Cursor | None) -> list[S]:
        """Return up to `limit` records of a query that can be read; fewer only if there are no more."""
        items: list[S] = []
        while True:
            wanted = limit - len(items)
            records = storage.find(query, wanted, after)
            items += [item for item in map(self.decode, records) if item is not None]
            if len(items) == limit or len(records) < wanted:
                return items
            following = cursor_of(query, records[-1])
            if following == after:  # a key that is not what it seems
                return items
            after = following


class StorageRecords(StorageComponent, RecordStore):
    """Keeps typed records on a storage.

    Attributes:
        own_tables: Tables beside those of `records`.
    """

    own_tables: ClassVar[tuple[Table, ...]] = ()
    _codecs: ClassVar[dict[type[msgspec.Struct], RecordCodec[msgspec.Struct]]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "records" in cls.__dict__ or not hasattr(cls, "_codecs"):
            cls._codecs = {spec.record_type: RecordCodec(spec) for spec in cls.records}
            cls.tables = (*cls.own_tables, *(codec.table for codec in cls._codecs.values()))

    def write(self, writes: Sequence[RecordWrite]) -> list[bool]:
        return _applied(self.storage.execute([self._operation(each) for each in writes])) if writes else []

    def stage_write(self, group: Group, writes: Sequence[RecordWrite]) -> Pending[list[bool]]:
        codecs = self._codecs
        operations = [
            codecs[type(each.record)].insert(each.record) if type(each) is Save else self._operation(each)
            for each in writes
        ]
        return group.execute(self.storage, operations, _applied)

    def _operation(self, write: RecordWrite) -> Operation:
        if isinstance(write, Save):
            return self._codecs[type(write.record)].insert(write.record)
        if isinstance(write, Amend):
            return Patch(self._codecs[write.record_type].table, write.key, write.values, write.guard)
        if isinstance(write, Remove):
            return Delete(self._codecs[write.record_type].table, write.key, write.guard)
        return Notify(write.channels)

    def read(self, record_type: type[R], keys: Sequence[str]) -> list[R | None]:
        codec = cast("RecordCodec[R]", self._codecs[record_type])
        return codec.decode_all(self.storage.read(codec.table, keys, codec.fetched))

    def stage_read(self, group: Group, record_type: type[R], keys: Sequence[str]) -> Pending[list[R | None]]:
        codec = cast("RecordCodec[R]", self._codecs[record_type])
        read = Read(codec.table, tuple(keys), codec.fetched)
        return group.execute(
            self.storage, (read,), lambda replies: codec.decode_all(cast("list[Record | None]", replies[0]))
        )

    def find(self, record_type: type[R], lookup: Lookup, limit: int, after: Cursor | None = None) -> list[R]:
        codec = cast("RecordCodec[R]", self._codecs[record_type])
        return codec.found(self.storage, codec.query(lookup, codec.fetched), limit, after)

    def count(self, lookup: Lookup) -> int:
        return self.storage.count(self._codecs[lookup.record_type].query(lookup))

    def count_many(self, lookups: Sequence[Lookup], limit: int) -> list[int]:
        queries = [self._codecs[each.record_type].query(each) for each in lookups]
        return self.storage.count_many(queries, limit)


def _applied(replies: list[Reply]) -> list[bool]:
    return [reply.applied if isinstance(reply, Outcome) else True for reply in replies]


def _is_enum(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Enum)


_TYPES: dict[object, str] = {str: "text", bool: "flag", int: "integer", float: "number", bytes: "bytes"}


def _type_of(annotation: object) -> str:
    """Return what a field holds by its annotation, as `Table.types` has it."""
    is_union = get_origin(annotation) in (Union, UnionType)
    kinds = [each for each in (get_args(annotation) if is_union else (annotation,)) if each is not NoneType]
    found = {_TYPES.get(each, "text" if _is_enum(each) else "") for each in kinds}
    if found == {"integer", "number"}:
        return "number"
    if len(found) != 1 or found == {""}:
        raise TypeError(f"a field of a record cannot be {annotation}, which no engine stores")
    return found.pop()
