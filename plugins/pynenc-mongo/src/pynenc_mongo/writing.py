"""Carrying out operations: neighbours of one kind travel together, and each tells its outcome.

Inserts, patches and pushes of a batch are one ordered bulk of updates, which is one round trip.
A patch is an upsert whose filter is its guard. Where the guard holds it changes the document;
where it does not, the server would insert a document without a kind, which the rule of the
collection refuses, so the error tells the outcome of exactly this patch. The bulk stops there,
and goes on behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from bson import ObjectId
from pymongo import DeleteOne, UpdateOne
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

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
    Read,
    Record,
    Reply,
    Scalar,
    Table,
)
from pynenc_mongo.connection import LOOSE, Document
from pynenc_mongo.documents import Names, decode, encode, new_item, new_record

_INVALID, _DUPLICATE = 121, 11000
_READ_AT_ONCE = 5000
_MARKED_FOR = timedelta(minutes=1)
_MARK = "_d"
"""The field by which a batch of deletes knows the documents that are as it expects them."""


class Writer:
    """Carries out operations on the collection of an app.

    Args:
        records: The collection.
        names: The app's identities.
        tick: Gives rising numbers, by which items of equal priority keep their order.
    """

    def __init__(self, records: Collection[Document], names: Names, tick: Callable[[], int]) -> None:
        self._records = records
        self._loose = records.with_options(write_concern=LOOSE)
        self._names = names
        self._tick = tick

    def execute(self, operations: Sequence[Operation]) -> list[Reply]:
        """Return one reply for each operation, in order."""
        replies: list[Reply] = []
        for kind, run in groupby(operations, _kind):
            replies += _RUNS[kind](self, list(run))
        return replies

    # --- updates -----------------------------------------------------------------------

    def _update(self, operations: Sequence[Operation]) -> list[Reply]:
        updates: list[UpdateOne] = []
        firsts: list[int] = []
        for operation in operations:
            firsts.append(len(updates))
            updates += self._updates(operation)
        inserted, refused = self._send(updates)
        current = self._current([(operations[at], at) for at, first in enumerate(firsts) if first in refused])
        return [
            self._outcome(operation, first in inserted, current.get(at))
            for at, (operation, first) in enumerate(zip(operations, firsts, strict=True))
        ]

    @staticmethod
    def _outcome(operation: Operation, was_inserted: bool, refusal: Outcome | None) -> Reply:
        if isinstance(operation, Push):
            return None
        if isinstance(operation, Insert):
            return APPLIED if was_inserted else Outcome(False, {})
        return refusal or APPLIED

    def _updates(self, operation: Operation) -> Iterator[UpdateOne]:
        names = self._names
        if isinstance(operation, Insert):
            table, key = operation.table, operation.key
            document = new_record(names, table, key, operation.values, operation.append)
            yield _insert(names.record(table, key), document)
        elif isinstance(operation, Patch):
            table = operation.table
            change: dict[str, Any] = {"$set": encode(operation.values, table)}
            if operation.append:
                change["$push"] = dict(operation.append)
            yield UpdateOne(self._guarded(table, operation.key, operation.expect), change, upsert=True)
        elif isinstance(operation, Push):
            for item in operation.items:
                yield _insert(names.item(item.item_id), new_item(names, operation.queue, item, self._tick()))

    def _guarded(self, table: Table, key: str, expect: Mapping[str, Scalar]) -> dict[str, Any]:
        return {"_id": self._names.record(table, key), **encode(expect, table)}

    def _send(self, updates: Sequence[UpdateOne]) -> tuple[set[int], set[int]]:
        """Return the numbers of the updates that inserted something, and of those that were refused."""
        inserted: set[int] = set()
        refused: set[int] = set()
        start = 0
        while start < len(updates):
            try:
                result = self._records.bulk_write(updates[start:])
            except BulkWriteError as error:
                problem = _only_refusal(error)
                inserted.update(start + each["index"] for each in error.details["upserted"])
                start += problem["index"] + 1
                refused.add(start - 1)
            else:
                inserted.update(start + at for at in result.upserted_ids or ())
                break
        return inserted, refused

    def _current(self, refused: Sequence[tuple[Operation, int]]) -> dict[int, Outcome]:
        """Return what is there in place of what refused patches expected."""
        patches = [(patch, at) for patch, at in refused if isinstance(patch, Patch)]
        if not patches:
            return {}
        wanted = [(patch.table, patch.key, tuple(patch.expect)) for patch, _ in patches]
        records = self._fetch(wanted)
        return {
            at: _refusal(record, patch.expect) for (patch, at), record in zip(patches, records, strict=True)
        }

    # --- deletes, acknowledgements, reads ----------------------------------------------

    def _delete(self, operations: Sequence[Operation]) -> list[Reply]:
        deletes = [each for each in operations if isinstance(each, Delete)]
        if len({(each.table.name, each.key) for each in deletes}) == len(deletes) > 1:
            together = self._delete_guarded if any(each.expect for each in deletes) else self._delete_together
            return list(together(deletes))
        replies: list[Reply] = []
        for each in deletes:
            done = self._records.delete_one(
                {**self._guarded(each.table, each.key, each.expect), **_unmarked()}
            )
            if done.deleted_count:
                replies.append(APPLIED)
            else:
                (record,) = self._fetch([(each.table, each.key, tuple(each.expect))])
                replies.append(_not_deleted(record, each.expect))
        return replies

    def _delete_together(self, deletes: Sequence[Delete]) -> Iterator[Reply]:
        ids = [self._names.record(each.table, each.key) for each in deletes]
        there = {each["_id"] for each in self._records.find({"_id": {"$in": ids}}, {"_id": 1})}
        if there:
            self._records.delete_many({"_id": {"$in": list(there)}})
        for each in ids:
            yield APPLIED if each in there else Outcome(False)
            there.discard(each)

    def _delete_guarded(self, deletes: Sequence[Delete]) -> Iterator[Reply]:
        """Mark the documents that are as expected, which tells for each; then delete those that still are.

        Who finds the mark of another, of the last minute, takes the document for deleted. An older mark
        was left behind by a crash, and means nothing.
        """
        token, free = ObjectId(), _unmarked()
        guards = [self._guarded(each.table, each.key, each.expect) for each in deletes]
        change = {"$set": {_MARK: token}}
        _, refused = self._send([UpdateOne({**each, **free}, change, upsert=True) for each in guards])
        marked = [DeleteOne({**guard, _MARK: token}) for at, guard in enumerate(guards) if at not in refused]
        if marked and self._records.bulk_write(marked, ordered=False).deleted_count < len(marked):
            ids = {guard["_id"]: at for at, guard in enumerate(guards)}
            left = self._records.find({"_id": {"$in": list(ids)}}, {"_id": 1})
            refused.update(ids[each["_id"]] for each in left)
        fields = [(each.table, each.key, tuple(each.expect)) for each in deletes]
        found = self._fetch([fields[at] for at in sorted(refused)])
        present = dict(zip(sorted(refused), found, strict=True))
        for at, each in enumerate(deletes):
            yield _not_deleted(present[at], each.expect) if at in refused else APPLIED

    def _acknowledge(self, operations: Sequence[Operation]) -> list[Reply]:
        acks = [each for each in operations if isinstance(each, Ack)]
        ids = [self._names.item(item_id) for ack in acks for item_id in ack.item_ids]
        if ids:
            self._loose.delete_many({"_id": {"$in": ids}})
        return [None] * len(acks)

    def _read(self, operations: Sequence[Operation]) -> list[Reply]:
        reads = [each for each in operations if isinstance(each, Read)]
        records = iter(self._fetch([(read.table, key, read.fields) for read in reads for key in read.keys]))
        return [[next(records) for _ in read.keys] for read in reads]

    def _fetch(self, wanted: Sequence[tuple[Table, str, tuple[str, ...]]]) -> list[Record | None]:
        """Return records by table and key, with these fields of each, or all where none are named."""
        ids = [self._names.record(table, key) for table, key, _ in wanted]
        names = dict.fromkeys(("key", *(name for _, _, fields in wanted for name in fields)), 1)
        projection = names if all(fields for _, _, fields in wanted) else None
        found: dict[str, Document] = {}
        unique = list(dict.fromkeys(ids))
        for start in range(0, len(unique), _READ_AT_ONCE):
            part = unique[start : start + _READ_AT_ONCE]
            found.update(
                (each["_id"], each) for each in self._records.find({"_id": {"$in": part}}, projection)
            )
        return [
            decode(found[each], table, fields) if each in found else None
            for each, (table, _, fields) in zip(ids, wanted, strict=True)
        ]

    def _nothing(self, operations: Sequence[Operation]) -> list[Reply]:
        return [None] * len(operations)


_UPDATES, _DELETES, _ACKS, _READS, _NOTICES = range(5)
_KINDS: dict[type, int] = {
    Insert: _UPDATES,
    Patch: _UPDATES,
    Push: _UPDATES,
    Delete: _DELETES,
    Ack: _ACKS,
    Read: _READS,
    Notify: _NOTICES,
}
_RUNS = (Writer._update, Writer._delete, Writer._acknowledge, Writer._read, Writer._nothing)


def _kind(operation: Operation) -> int:
    return _KINDS[type(operation)]


def _insert(identity: str, document: Document) -> UpdateOne:
    return UpdateOne({"_id": identity}, {"$setOnInsert": document}, upsert=True)


def _only_refusal(error: BulkWriteError) -> Document:
    """Return the one update that was refused because of its guard.

    Raises:
        BulkWriteError: Something else is wrong.
    """
    problems: list[Document] = error.details["writeErrors"]
    if not problems or problems[0]["code"] not in (_INVALID, _DUPLICATE):
        raise error
    return problems[0]


def _refusal(record: Record | None, expect: Mapping[str, Scalar]) -> Outcome:
    return Outcome(False, None if record is None else {name: record[name] for name in expect})


def _not_deleted(record: Record | None, expect: Mapping[str, Scalar]) -> Outcome:
    """Return why a delete was refused; a record that is as expected is about to be deleted by another."""
    if record is not None and all(record[name] == value for name, value in expect.items()):
        return Outcome(False)
    return _refusal(record, expect)


def _unmarked() -> dict[str, Any]:
    """Return the condition that nobody else is about to delete a document."""
    stale = ObjectId.from_datetime(datetime.now(UTC) - _MARKED_FOR)
    return {"$or": [{_MARK: None}, {_MARK: {"$lt": stale}}]}
