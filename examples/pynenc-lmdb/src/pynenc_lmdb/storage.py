"""The storage driver on LMDB: sorted keys, one writer at a time, any number of processes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import lmdb
import msgspec

from pynenc.exceptions import StorageLayoutError, StorageUnavailableError, ValueTooLargeError
from pynenc.identifiers.ids import monotonic_tick
from pynenc.storage.base_storage import LAYOUT_VERSION, Storage
from pynenc.storage.blocking_take import channels_of
from pynenc.storage.fifo_wakeup import FifoWakeups
from pynenc.storage.operations import (
    APPLIED,
    KEY,
    Ack,
    Cursor,
    Delete,
    EngineInfo,
    Index,
    Insert,
    Operation,
    Outcome,
    Patch,
    Push,
    Query,
    QueueDepth,
    QueueItem,
    Read,
    Record,
    Reply,
    Scalar,
    Table,
    Taken,
    check_query,
)
from pynenc.storage.subscription import Subscription
from pynenc_lmdb.keys import digest, following, sortable, sorted_text, values

T = TypeVar("T")
Transaction = Any
_pack = msgspec.msgpack.encode
_unpack = msgspec.msgpack.decode
_opening = threading.Lock()
_environments: dict[tuple[int, str], lmdb.Environment] = {}
"""LMDB allows one for each folder and process; a forked child needs its own."""


def _forget_parents() -> None:
    """Close what a fork has copied; LMDB leaves alone what belongs to the parent."""
    global _opening
    _opening = threading.Lock()
    for environment in _environments.values():
        environment.close()
    _environments.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parents)


class LMDBStorage(Storage):
    """One folder.

    Args:
        app_id: Whose data this is.
        path: The folder; it is made if it is missing.
        map_size: How large the data may grow, in bytes.
    """

    def __init__(self, app_id: str, path: str | Path, map_size: int = 2**30) -> None:
        super().__init__(app_id)
        self.path = str(path)
        self._map_size = map_size
        self._app = digest(app_id)
        self._declared: list[Table] = []
        self._wakeups = FifoWakeups(Path(f"{self.path}.wake"))

    # --- transactions ------------------------------------------------------------------

    def _environment(self) -> lmdb.Environment:
        place = (os.getpid(), self.path)
        with _opening:
            if place not in _environments:
                try:
                    _environments[place] = lmdb.open(self.path, map_size=self._map_size, max_readers=1024)
                except lmdb.Error as error:
                    raise StorageUnavailableError(
                        f"cannot open the LMDB folder '{self.path}': {error} Check "
                        f"'lmdb_path', and that this user may write there."
                    ) from error
            return _environments[place]

    def _do(self, work: Callable[[Transaction], T], write: bool = True) -> T:
        try:
            if self._declared:
                with self._environment().begin(write=True) as transaction:
                    self._complete(transaction)
            with self._environment().begin(write=write) as transaction:
                return work(transaction)
        except lmdb.MapFullError as error:
            told = f"the LMDB folder '{self.path}' is full, and nothing was stored. Raise 'lmdb_map_size'."
            raise StorageUnavailableError(told) from error
        except (lmdb.BadValsizeError, lmdb.InvalidParameterError) as error:
            raise ValueTooLargeError(f"LMDB cannot store this value: {error}") from error
        except lmdb.Error as error:
            raise StorageUnavailableError(f"LMDB in '{self.path}' failed: {error}") from error

    def _key(self, kind: bytes, *parts: bytes) -> bytes:
        return b"".join((self._app, kind, *parts))

    # --- records -----------------------------------------------------------------------

    def declare(self, tables: Iterable[Table]) -> None:
        """Note the tables; the next transaction sees whether they have got indexes since."""
        self._declared += tables

    def _complete(self, own: Transaction) -> None:
        """Put what an earlier version has stored into indexes that have come since."""
        self._check_layout(own)
        while self._declared:
            table = self._declared[-1]
            known, now = self._key(b"t", digest(table.name)), _pack(table.indexes)
            if own.get(known) != now:
                begin = self._key(b"r", digest(table.name))
                for _, packed in list(_scan(own, begin, following(begin))):
                    self._save(own, table, None, {**_blank(table), **_unpack(packed)})
                own.put(known, now)
            self._declared.pop()

    def _check_layout(self, own: Transaction) -> int:
        """Return the version of the layout; refuse what a newer version has written."""
        own.put(self._key(b"v"), str(LAYOUT_VERSION).encode(), overwrite=False)
        layout = int(own.get(self._key(b"v")))
        if layout > LAYOUT_VERSION:
            raise StorageLayoutError(
                f"the data in '{self.path}' has layout {layout}, written by a newer pynenc; upgrade it here"
            )
        return layout

    def execute(self, operations: Sequence[Operation]) -> list[Reply]:
        reading = all(isinstance(operation, Read) for operation in operations)
        replies = self._do(lambda own: [self._apply(own, each) for each in operations], not reading)
        channels = channels_of(operations)
        if channels:
            self._wakeups.notify(channels)
        return replies

    def _apply(self, own: Transaction, operation: Operation) -> Reply:
        match operation:
            case Insert(table, key, new, append):
                if self._load(own, table, key) is not None:
                    return Outcome(False, {})
                grown = {name: (entry,) for name, entry in append.items()}
                self._save(own, table, None, {**_blank(table), **new, **grown, KEY: key})
                return APPLIED
            case Patch(table, key, new, expect, append):
                record = self._load(own, table, key)
                if record is None or (refused := _refused(record, expect)):
                    return Outcome(False) if record is None else refused
                grown = {name: (*record[name], entry) for name, entry in append.items()}
                self._save(own, table, record, {**record, **new, **grown})
                return APPLIED
            case Delete(table, key, expect):
                record = self._load(own, table, key)
                if record is None or (refused := _refused(record, expect)):
                    return Outcome(False) if record is None else refused
                self._save(own, table, record, None)
                return APPLIED
            case Read(table, keys, fields):
                return [_projected(self._load(own, table, key), fields) for key in keys]
            case Push(queue, items):
                for item in items:
                    self._push(own, queue, item)
            case Ack(item_ids):
                for item_id in item_ids:
                    self._ack(own, item_id)
        return None

    def _load(self, own: Transaction, table: Table, key: str) -> dict[str, Any] | None:
        packed = own.get(self._key(b"r", digest(table.name), digest(key)))
        if packed is None:
            return None
        record: dict[str, Any] = {**_blank(table), **_unpack(packed)}
        for name in table.append_only:
            record[name] = tuple(record[name])
        return record

    def _save(
        self, own: Transaction, table: Table, old: dict[str, Any] | None, new: dict[str, Any] | None
    ) -> None:
        key = str((new or old or {})[KEY])
        place = self._key(b"r", digest(table.name), digest(key))
        if new is None:
            own.delete(place)
        else:
            own.put(place, _pack(new))
        for index in table.indexes:
            before = self._place(table, index, old) if old else None
            after = self._place(table, index, new) if new else None
            if before != after:
                if before:
                    own.delete(before)
                if after:
                    own.put(after, key.encode())

    def _group(self, table: Table, index: Index, equals: Iterable[Scalar]) -> bytes:
        return self._key(b"x", digest(f"{table.name}/{index.by}/{index.order}"), values(equals))

    def _place(self, table: Table, index: Index, record: Mapping[str, Any]) -> bytes:
        group = self._group(table, index, (record[name] for name in index.by))
        return group + sortable(float(record[index.order] or 0)) + sorted_text(str(record[KEY]))

    def find(self, query: Query, limit: int, after: Cursor | None = None) -> list[Record]:
        check_query(query)
        low, high = self._range(query)
        if after is not None:
            place = self._group(query.table, query.index, query.equals)
            place += sortable(after.order) + sorted_text(after.key)
            low, high = (low, place) if query.descending else (max(low, place + b"\0"), high)

        def look(own: Transaction) -> list[Record]:
            found: list[Record] = []
            for _, key in _scan(own, low, high, query.descending):
                if len(found) == limit:
                    break
                record = _projected(self._load(own, query.table, key.decode()), query.fields)
                if record is not None:
                    found.append(record)
            return found

        return self._do(look, write=False)

    def count(self, query: Query) -> int:
        check_query(query)
        low, high = self._range(query)
        return self._do(lambda own: sum(1 for _ in _scan(own, low, high)), write=False)

    def _range(self, query: Query) -> tuple[bytes, bytes]:
        group = self._group(query.table, query.index, query.equals)
        low = group if query.low is None else group + sortable(query.low)
        high = following(group) if query.high is None else group + sortable(query.high)
        return low, high

    # --- queues ------------------------------------------------------------------------

    def _push(self, own: Transaction, queue: str, item: QueueItem) -> None:
        place = self._key(b"i", digest(item.item_id))
        if own.get(place) is not None:
            return
        own.put(self._key(b"n", digest(queue)), queue.encode())
        rank = sortable(-item.priority) + sortable(monotonic_tick())
        due = item.not_before if item.not_before > 0 else None
        self._enter(own, place, (item.item_id, queue, rank, due, item.payload, item.priority))

    def _enter(self, own: Transaction, place: bytes, entry: tuple[Any, ...]) -> None:
        own.put(place, _pack(entry))
        own.put(self._position(entry), place)

    def _position(self, entry: Sequence[Any]) -> bytes:
        item_id, queue, rank, due = entry[:4]
        if due is None:
            return self._key(b"q", digest(queue), rank)
        return self._key(b"h", digest(queue), sortable(due), digest(item_id))

    def _ack(self, own: Transaction, item_id: str) -> None:
        place = self._key(b"i", digest(item_id))
        packed = own.get(place)
        if packed is not None:
            own.delete(self._position(_unpack(packed)))
            own.delete(place)

    def take(self, queues: Sequence[str], limit: int, lease_s: float, now: float) -> Taken:

        def look(own: Transaction) -> Taken:
            taken: list[tuple[str, QueueItem]] = []
            for queue in queues:
                ready, held = self._key(b"q", digest(queue)), self._key(b"h", digest(queue))
                for position, place in list(_scan(own, held, held + sortable(now) + b"\xff")):
                    self._move(own, position, place, None)
                for position, place in list(_scan(own, ready, following(ready), most=limit - len(taken))):
                    item_id, _, _, _, payload, priority = self._move(own, position, place, now + lease_s)
                    taken.append((queue, QueueItem(item_id, payload, priority)))
            return Taken(tuple(taken), None if taken else self._next_due(own, queues))

        return self._do(look)

    def _move(self, own: Transaction, position: bytes, place: bytes, due: float | None) -> tuple[Any, ...]:
        item_id, queue, rank, _, payload, priority = _unpack(own.get(place))
        own.delete(position)
        entry = (item_id, queue, rank, due, payload, priority)
        self._enter(own, place, entry)
        return entry

    def _next_due(self, own: Transaction, queues: Sequence[str]) -> float | None:
        due: list[float] = []
        for queue in queues:
            held = self._key(b"h", digest(queue))
            due += [_unpack(own.get(place))[3] for _, place in _scan(own, held, following(held), most=1)]
        return min(due, default=None)

    def queue_depth(self, queues: Sequence[str], now: float) -> dict[str, QueueDepth]:

        def look(own: Transaction) -> dict[str, QueueDepth]:
            depths: dict[str, QueueDepth] = {}
            for queue in queues:
                ready, held = self._key(b"q", digest(queue)), self._key(b"h", digest(queue))
                due = sum(1 for _ in _scan(own, held, held + sortable(now) + b"\xff"))
                waiting = sum(1 for _ in _scan(own, held, following(held))) - due
                depths[queue] = QueueDepth(sum(1 for _ in _scan(own, ready, following(ready))) + due, waiting)
            return depths

        return self._do(look, write=False)

    def queue_names(self) -> list[str]:
        start = self._key(b"n")

        def look(own: Transaction) -> list[str]:
            return [name.decode() for _, name in _scan(own, start, following(start))]

        names = self._do(look, write=False)
        depths = self.queue_depth(names, 0.0)
        return sorted(name for name in names if depths[name] != QueueDepth(0, 0))

    # --- signals, blobs ----------------------------------------------------------------

    def subscribe(self, channels: Iterable[str], on_wake: Callable[[], None] | None = None) -> Subscription:
        return self._wakeups.subscribe(channels, on_wake)

    def blob_put(self, blobs: Mapping[str, bytes]) -> None:
        def put(own: Transaction) -> None:
            for key, blob in blobs.items():
                own.put(self._key(b"b", digest(key)), blob, overwrite=False)

        self._do(put)

    def blob_get(self, keys: Sequence[str]) -> list[bytes | None]:
        return self._do(lambda own: [own.get(self._key(b"b", digest(key))) for key in keys], write=False)

    def blob_delete(self, keys: Sequence[str]) -> None:
        self._do(lambda own: [own.delete(self._key(b"b", digest(key))) for key in keys])

    # --- the engine --------------------------------------------------------------------

    def ping(self) -> EngineInfo:
        layout = self._do(self._check_layout)
        return EngineInfo("lmdb", ".".join(map(str, lmdb.version())), layout, self.path)

    def purge(self, tables: Sequence[Table] = (), queues: bool = False, blobs: bool = False) -> None:
        starts: list[bytes] = []
        for table in tables:
            starts.append(self._key(b"r", digest(table.name)))
            for index in table.indexes:
                starts.append(self._key(b"x", digest(f"{table.name}/{index.by}/{index.order}")))
        starts += [self._key(kind) for kind in (b"i", b"q", b"h", b"n")] if queues else []
        starts += [self._key(b"b")] if blobs else []

        def clear(own: Transaction) -> None:
            for start in starts:
                for key, _ in list(_scan(own, start, following(start))):
                    own.delete(key)

        self._do(clear)

    def close(self) -> None:
        self.blocking.close()
        self._wakeups.close()
        self._wakeups = FifoWakeups(Path(f"{self.path}.wake"))


def _scan(
    own: Transaction, low: bytes, high: bytes, descending: bool = False, most: int | None = None
) -> Iterator[tuple[bytes, bytes]]:
    """Keys from `low` up to but not with `high`, and what they hold."""
    cursor = own.cursor()
    if descending:
        if not (cursor.set_range(high) or cursor.last()):
            return
        entries = cursor.iterprev(keys=True, values=True)
    else:
        if not cursor.set_range(low):
            return
        entries = cursor.iternext(keys=True, values=True)
    number = 0
    for key, value in entries:
        if descending and key >= high:
            continue
        if number == most or (key < low if descending else key >= high):
            return
        number += 1
        yield bytes(key), bytes(value)


def _blank(table: Table) -> dict[str, Any]:
    blank: dict[str, Any] = dict.fromkeys(table.fields)
    blank.update(dict.fromkeys((index.order for index in table.indexes), 0))
    blank.update(dict.fromkeys(table.append_only, ()))
    return blank


def _refused(record: Mapping[str, Any], expect: Mapping[str, Scalar]) -> Outcome | None:
    if all(record[name] == value for name, value in expect.items()):
        return None
    return Outcome(False, {name: record[name] for name in expect})


def _projected(record: dict[str, Any] | None, fields: tuple[str, ...]) -> Record | None:
    if record is None or not fields:
        return record
    return {KEY: record[KEY], **{name: record[name] for name in fields}}
