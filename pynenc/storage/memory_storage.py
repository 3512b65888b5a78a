"""The storage driver that keeps everything in this process's memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import assert_never

from pynenc.storage.base_storage import LAYOUT_VERSION, Storage
from pynenc.storage.blocking_take import queue_channel
from pynenc.storage.memory_tables import MemoryQueue, MemoryTable
from pynenc.storage.operations import (
    Ack,
    Cursor,
    Delete,
    EngineInfo,
    Insert,
    Notify,
    Operation,
    Patch,
    Push,
    Query,
    QueueDepth,
    QueuedItem,
    QueueItem,
    Read,
    Record,
    Reply,
    Table,
    Taken,
    check_query,
)
from pynenc.storage.subscription import Subscription
from pynenc.storage.wakeup import WakeupHub


class MemoryStorage(Storage):
    """Dictionaries under one lock. Other processes see nothing of it."""

    def __init__(self, app_id: str) -> None:
        super().__init__(app_id)
        self._lock = threading.RLock()
        self._hub = WakeupHub()
        self._tables: dict[str, MemoryTable] = {}
        self._queues: dict[str, MemoryQueue] = {}
        self._queue_of: dict[str, MemoryQueue] = {}
        self._blobs: dict[str, bytes] = {}

    def declare(self, tables: Iterable[Table]) -> None:
        with self._lock:
            for table in tables:
                known = self._tables.get(table.name)
                if known is None:
                    self._tables[table.name] = MemoryTable(table)
                else:
                    known.grow(table)

    def execute(self, operations: Sequence[Operation]) -> list[Reply]:
        channels: list[str] = []
        with self._lock:
            replies = [self._apply(operation, channels) for operation in operations]
        if channels:
            self._hub.fire(channels)
        return replies

    def _apply(self, operation: Operation, channels: list[str]) -> Reply:
        match operation:
            case Insert():
                return self._tables[operation.table.name].insert(operation)
            case Patch():
                return self._tables[operation.table.name].patch(operation)
            case Delete():
                return self._tables[operation.table.name].delete(operation)
            case Read():
                table = self._tables[operation.table.name]
                return [table.read(key, operation.fields) for key in operation.keys]
            case Push():
                queue = self._queues.setdefault(operation.queue, MemoryQueue())
                for item in operation.items:
                    if item.item_id not in self._queue_of:
                        self._queue_of[item.item_id] = queue
                        queue.push(item)
                channels.append(queue_channel(operation.queue))
            case Ack():
                for item_id in operation.item_ids:
                    holder = self._queue_of.pop(item_id, None)
                    if holder is not None:
                        holder.remove(item_id)
            case Notify():
                channels.extend(operation.channels)
            case _:
                assert_never(operation)
        return None

    def find(self, query: Query, limit: int, after: Cursor | None = None) -> list[Record]:
        check_query(query)
        with self._lock:
            return self._tables[query.table.name].find(query, limit, after)

    def count(self, query: Query) -> int:
        check_query(query)
        with self._lock:
            return self._tables[query.table.name].count(query)

    def take(self, queues: Sequence[str], limit: int, lease_s: float, now: float) -> Taken:
        taken: list[tuple[str, QueueItem]] = []
        due: list[float] = []
        with self._lock:
            for name in queues:
                queue = self._queues.get(name)
                if queue is None:
                    continue
                for item in queue.take(limit - len(taken), now, lease_s):
                    taken.append((name, item))
                if queue.delayed:
                    due.append(queue.next_due())
        return Taken(tuple(taken), min(due) if due and not taken else None)

    def queue_depth(self, queues: Sequence[str], now: float) -> dict[str, QueueDepth]:
        with self._lock:
            return {
                name: self._queues[name].depth(now) if name in self._queues else QueueDepth(0, 0)
                for name in queues
            }

    def find_items(self, item_ids: Sequence[str], limit: int, now: float) -> list[QueuedItem | None]:
        with self._lock:
            names = {id(queue): name for name, queue in self._queues.items()}
            found = [self._queue_of.get(item_id) for item_id in item_ids]
            return [
                None if queue is None else queue.place(names[id(queue)], item_id, now)
                for queue, item_id in zip(found, item_ids, strict=True)
            ]

    def queue_names(self) -> list[str]:
        with self._lock:
            return sorted(name for name, queue in self._queues.items() if queue.items)

    def subscribe(self, channels: Iterable[str], on_wake: Callable[[], None] | None = None) -> Subscription:
        return self._hub.subscribe(channels, on_wake)

    def blob_put(self, blobs: Mapping[str, bytes]) -> None:
        with self._lock:
            for key, blob in blobs.items():
                self._blobs.setdefault(key, blob)

    def blob_get(self, keys: Sequence[str]) -> list[bytes | None]:
        with self._lock:
            return [self._blobs.get(key) for key in keys]

    def blob_delete(self, keys: Sequence[str]) -> None:
        with self._lock:
            for key in keys:
                self._blobs.pop(key, None)

    def ping(self) -> EngineInfo:
        return EngineInfo("memory", "1", LAYOUT_VERSION, "this process")

    def purge(self, tables: Sequence[Table] = (), queues: bool = False, blobs: bool = False) -> None:
        with self._lock:
            for table in tables:
                self._tables[table.name].clear()
            if queues:
                self._queues.clear()
                self._queue_of.clear()
            if blobs:
                self._blobs.clear()

    def close(self) -> None:
        """Keep the data: it lives as long as this object."""
        self.blocking.close()
