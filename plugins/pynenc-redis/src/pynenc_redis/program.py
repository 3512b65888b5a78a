"""Operations as the script reads them, and its replies as ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from pynenc.storage.operations import (
    APPLIED,
    Ack,
    Delete,
    Insert,
    Notify,
    Operation,
    Outcome,
    Patch,
    Push,
    QueueItem,
    Read,
    Reply,
    Scalar,
    Table,
)
from pynenc_redis.encoding import NONE, decode, decode_rows, encode, encode_fields, packed_entry

MARK = ""
"""A field that every record has, so that one with no values exists as well."""
_pack = msgspec.msgpack.Encoder().encode


def index_key(prefix: str, table: Table, number: int, values: Iterable[str]) -> str:
    """Return the sorted set of the records with these encoded values in an index, counted from 1."""
    group = "".join(f"{len(value.encode())}:{value}" for value in values)
    return f"{prefix}:x:{table.name}:{number}:{group}"


def orders_of(table: Table) -> tuple[str, ...]:
    """Return the fields that order an index; unset they are 0."""
    return tuple(index.order for index in table.indexes)


class Program:
    """Operations as the script reads them, and its replies as ours."""

    def __init__(self, prefix: str, operations: Sequence[Operation]) -> None:
        self._prefix = prefix
        self._operations = operations
        self._tables: dict[str, int] = {}
        self._specs: list[Any] = []
        steps = [self._step(operation) for operation in operations]
        self.packed = _pack((self._specs, steps))

    def _number(self, table: Table) -> int:
        number = self._tables.get(table.name)
        if number is None:
            number = self._tables[table.name] = len(self._specs) + 1
            self._specs.append(_spec(table))
        return number

    def _step(self, operation: Operation) -> tuple[Any, ...]:
        match operation:
            case Patch(table, key, values, expect, append):
                guard = encode_fields(expect)
                return "P", self._number(table), key, encode_fields(values), guard, _pairs(append)
            case Insert(table, key, values, append):
                return self._insert(table, key, values, append)
            case Read(table, keys, fields):
                return "R", self._number(table), keys, fields or (*table.fields, *table.append_only)
            case Delete(table, key, expect):
                return "D", self._number(table), key, encode_fields(expect)
            case Push(queue, items):
                return "U", queue, [part for item in items for part in _item(item)]
            case Ack(item_ids):
                return "A", item_ids
            case Notify(channels):
                return "N", channels
        raise TypeError(f"{operation!r} is not an operation")

    def _insert(
        self, table: Table, key: str, values: Mapping[str, Scalar], append: Mapping[str, str]
    ) -> tuple[Any, ...]:
        """Return what the script is to set, and the places in each index."""
        texts = {name: encode(value) for name, value in values.items() if value is not None}
        fields = [MARK, ""]
        for pair in texts.items():
            fields += pair
        for name, entry in append.items():
            fields += (name, packed_entry(entry))
        places: list[str] = []
        for number, index in enumerate(table.indexes, 1):
            group = [texts.get(name, NONE) for name in index.by]
            if index.is_sparse and NONE in group:
                continue
            score = texts[index.order][1:] if index.order in texts else "0"
            places += (index_key(self._prefix, table, number, group), score, key)
        return "I", f"{self._prefix}:r:{table.name}:{key}", fields, places

    def replies(self, raw: list[Any]) -> list[Reply]:
        return [self._reply(operation, reply) for operation, reply in zip(self._operations, raw, strict=True)]

    @staticmethod
    def _reply(operation: Operation, reply: Any) -> Reply:
        if isinstance(operation, Read):
            table = operation.table
            names = operation.fields or (*table.fields, *table.append_only)
            orders = orders_of(table)
            there = [(key, *texts) for key, texts in zip(operation.keys, reply, strict=True) if texts]
            records = decode_rows(names, there, table.append_only, orders)
            return [next(records) if texts else None for texts in reply]
        if not isinstance(operation, (Insert, Patch, Delete)):
            return None
        if reply == 1:
            return APPLIED
        (current,) = reply
        if current is False:
            return Outcome(False)
        expect: Mapping[str, Scalar] = {} if isinstance(operation, Insert) else operation.expect
        return Outcome(False, dict(zip(expect, map(decode, current), strict=False)))


def reindexing(records: Iterable[tuple[Table, int, str]]) -> bytes:
    """Return the program that puts records into the indexes of their table from a number on."""
    tables: dict[str, int] = {}
    specs: list[Any] = []
    steps: list[tuple[Any, ...]] = []
    for table, number, key in records:
        if table.name not in tables:
            specs.append(_spec(table))
            tables[table.name] = len(specs)
        steps.append(("X", tables[table.name], key, number))
    return _pack((specs, steps))


def _spec(table: Table) -> tuple[Any, ...]:
    return table.name, [(index.by, index.order, index.is_sparse) for index in table.indexes]


def _pairs(entries: Mapping[str, str]) -> list[str]:
    return [part for pair in entries.items() for part in pair]


def _item(item: QueueItem) -> tuple[str, str, str, str]:
    due = repr(item.not_before) if item.not_before > 0 else "0"
    return item.item_id, item.payload, str(-item.priority), due
