"""Drivers that break one promise about records, blobs or the engine each."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from pynenc.exceptions import ValueTooLargeError
from pynenc.storage.memory_storage import MemoryStorage
from pynenc.storage.operations import (
    KEY,
    Ack,
    Cursor,
    Delete,
    Insert,
    Notify,
    Operation,
    Outcome,
    Patch,
    Push,
    Query,
    Read,
    Record,
    Reply,
    Table,
)


class TellsAnOlderSnapshot(MemoryStorage):
    """Tells of a refused write what stood there when the call began."""

    def execute(self, operations: Sequence[Operation]) -> list[Reply]:
        guarded = [each for each in operations if isinstance(each, Patch) and each.expect]
        before = {
            id(each): super(TellsAnOlderSnapshot, self).execute([Read(each.table, (each.key,))])[0]
            for each in guarded
        }
        replies = super().execute(operations)
        for at, each in enumerate(operations):
            reply = replies[at]
            if id(each) in before and isinstance(reply, Outcome) and reply.current is not None:
                (record,) = before[id(each)]  # type: ignore[misc]
                if record is not None and isinstance(each, Patch):
                    replies[at] = Outcome(False, {name: record[name] for name in each.expect})
        return replies


class ChecksGuardsBeforehand(MemoryStorage):
    """Reads, compares, and then writes without a guard."""

    def execute(self, operations: Sequence[Operation]) -> list[Reply]:
        return [self._one(each) for each in operations]

    def _one(self, operation: Operation) -> Reply:
        if not isinstance(operation, Patch) or not operation.expect:
            return super().execute([operation])[0]
        (records,) = super().execute([Read(operation.table, (operation.key,))])
        (record,) = records  # type: ignore[misc,union-attr]
        if record is None:
            return Outcome(False)
        if any(record[name] != value for name, value in operation.expect.items()):
            return Outcome(False, {name: record[name] for name in operation.expect})
        time.sleep(0.0005)
        return super().execute([msgspec.structs.replace(operation, expect={})])[0]


class SortsAGroup(MemoryStorage):
    """Carries out deletes first and reads last."""

    _ORDER = (Delete, Ack, Insert, Patch, Push, Notify, Read)

    def execute(self, operations: Sequence[Operation]) -> list[Reply]:
        places = sorted(range(len(operations)), key=lambda at: self._ORDER.index(type(operations[at])))
        replies = dict(zip(places, super().execute([operations[at] for at in places]), strict=True))
        return [replies[at] for at in range(len(operations))]


class AddsNoFields(MemoryStorage):
    """Leaves a known table as it is."""

    def declare(self, tables: Iterable[Table]) -> None:
        super().declare([each for each in tables if each.name not in self._tables])


class AddsEmptyIndexes(MemoryStorage):
    """Adds the indexes of a known table, and nothing to them."""

    def declare(self, tables: Iterable[Table]) -> None:
        for table in tables:
            known = self._tables.get(table.name)
            if known is None:
                super().declare([table])
                continue
            records = known._records
            known.__init__(table)  # type: ignore[misc]
            known._records.update({key: {**known._blank, **each} for key, each in records.items()})


class RefusesWithAForeignError(MemoryStorage):
    """Lets an error of the engine through for what it cannot index."""

    def execute(self, operations: Sequence[Operation]) -> list[Reply]:
        for each in operations:
            if isinstance(each, Insert) and "\0" in str(each.values.get("kind")):
                raise UnicodeError("the engine does not like this")
        return super().execute(operations)


class StoresWhatItRefuses(MemoryStorage):
    """Says no to what it cannot index after it was stored."""

    def execute(self, operations: Sequence[Operation]) -> list[Reply]:
        replies = super().execute(operations)
        if any(isinstance(each, Insert) and len(str(each.values.get("kind"))) > 1000 for each in operations):
            raise ValueTooLargeError("too long for an index")
        return replies


class RoundsNumbers(MemoryStorage):
    """Keeps numbers as 32-bit floats."""

    def execute(self, operations: Sequence[Operation]) -> list[Reply]:
        return super().execute([_rounded(each) for each in operations])


class ForgetsKeysInPages(MemoryStorage):
    """Goes on behind the order value of a cursor, and skips what has the same."""

    def find(self, query: Query, limit: int, after: Cursor | None = None) -> list[Record]:
        edge = "" if query.descending else "\U0010ffff"
        return super().find(query, limit, after and Cursor(after.order, edge))


class OrdersKeysLikePeople(MemoryStorage):
    """Sorts keys as a dictionary for people does."""

    def find(self, query: Query, limit: int, after: Cursor | None = None) -> list[Record]:
        order = query.index.order
        found = super().find(query, 10_000, after)
        found.sort(key=lambda each: (each[order], str(each[KEY]).casefold()), reverse=query.descending)
        return found[:limit]


class CutsBlobs(MemoryStorage):
    """Has room for 16 MiB."""

    def blob_put(self, blobs: Mapping[str, bytes]) -> None:
        super().blob_put({key: blob[: 16 * 2**20] for key, blob in blobs.items()})


class ReplacesBlobs(MemoryStorage):
    """Stores a blob anew."""

    def blob_put(self, blobs: Mapping[str, bytes]) -> None:
        self.blob_delete(list(blobs))
        super().blob_put(blobs)


class PurgesByPrefix(MemoryStorage):
    """Purges the apps whose ids begin like its own."""

    _all: ClassVar[list[MemoryStorage]] = []

    def __init__(self, app_id: str) -> None:
        super().__init__(app_id)
        self._all.append(self)

    def purge(self, tables: Sequence[Table] = (), queues: bool = False, blobs: bool = False) -> None:
        for each in self._all:
            if each.app_id.startswith(self.app_id):
                MemoryStorage.purge(each, tables, queues, blobs)


class PurgesEverything(MemoryStorage):
    """Takes the tables with the queues."""

    def purge(self, tables: Sequence[Table] = (), queues: bool = False, blobs: bool = False) -> None:
        for each in self._tables.values():
            each.clear()
        super().purge(tables, queues, blobs)


class StaysClosed(MemoryStorage):
    """Cannot be used after a close."""

    _is_closed = False

    def close(self) -> None:
        super().close()
        self._is_closed = True

    def execute(self, operations: Sequence[Operation]) -> list[Reply]:
        if self._is_closed:
            raise RuntimeError("closed")
        return super().execute(operations)


def _rounded(operation: Operation) -> Any:
    if not isinstance(operation, (Insert, Patch)):
        return operation
    values = {
        name: struct.unpack("f", struct.pack("f", value))[0]
        if isinstance(value, float) and abs(value) < 1e30
        else value
        for name, value in operation.values.items()
    }
    return msgspec.structs.replace(operation, values=values)
