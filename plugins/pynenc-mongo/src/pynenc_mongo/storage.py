"""The storage driver on MongoDB."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC
from typing import Any

from bson import MaxKey, MinKey
from pymongo.collection import Collection

from pynenc.exceptions import StorageLayoutError
from pynenc.storage.base_storage import LAYOUT_VERSION, Storage
from pynenc.storage.blocking_take import BlockingTake, channels_of
from pynenc.storage.engine_clock import EngineClock
from pynenc.storage.operations import (
    Cursor,
    EngineInfo,
    Operation,
    Query,
    QueueDepth,
    QueuedItem,
    Record,
    Reply,
    Table,
    Taken,
    check_query,
)
from pynenc.storage.shared_connect import SharedConnect
from pynenc.storage.subscription import Subscription
from pynenc_mongo import listener, schema
from pynenc_mongo.blobs import Blobs
from pynenc_mongo.connection import Client, Document, Endpoint
from pynenc_mongo.documents import QUEUED, Names, decode, encode, kind_of
from pynenc_mongo.queues import Queues
from pynenc_mongo.settings import ConfigMongo
from pynenc_mongo.writing import Writer

_open_storages: weakref.WeakSet[MongoStorage] = weakref.WeakSet()


class MongoStorage(Storage):
    """All data of an app in collections that apps share, under identities that begin with the app.

    Args:
        app_id: Whose data this is.
        conf: How to reach the server.
    """

    def __init__(self, app_id: str, conf: ConfigMongo) -> None:
        super().__init__(app_id)
        self.conf = conf
        self._endpoint = Endpoint(conf)
        self._names = Names(app_id)
        self._tables: dict[str, Table] = {}
        self._last_tick = 0
        self._lock = threading.RLock()
        self._connect = SharedConnect()
        self._reset()
        _open_storages.add(self)

    def _reset(self) -> None:
        self._connection: _Connection | None = None
        self._prepared: set[str] = set()
        self._clock = EngineClock(self._server_time)
        self._listener: listener.Listener | None = None

    # --- the connection ----------------------------------------------------------------

    def _connected(self) -> _Connection:
        connection = self._connection
        if connection is None or len(self._prepared) < len(self._tables):
            connection = self._connect.once(self._prepare)
        return connection

    def _prepare(self) -> _Connection:
        """Return a connection with all tables; made anew, or by another thread meanwhile."""
        with self._lock:
            connection = self._connection or _Connection(self)
            missing = [table for name, table in self._tables.items() if name not in self._prepared]
            try:
                self._endpoint.carry_out(lambda: schema.prepare_tables(connection.database, missing))
            except BaseException:
                if connection is not self._connection:
                    connection.client.close()
                raise
            self._prepared.update(table.name for table in missing)
            self._connection = connection
        return connection

    def _next_tick(self) -> int:
        """Return microseconds by the engine's clock, never the same twice in this process."""
        now = int(self.now() * 1e6)
        with self._lock:
            self._last_tick = max(now, self._last_tick + 1)
            return self._last_tick

    def _server_time(self) -> float:
        client = self._connected().client
        hello = self._endpoint.carry_out(lambda: client.admin.command("hello"))
        return float(hello["localTime"].replace(tzinfo=UTC).timestamp())

    # --- records -----------------------------------------------------------------------

    def declare(self, tables: Iterable[Table]) -> None:
        """Note them; their indexes are made when the server is reached."""
        for table in tables:
            if self._tables.get(table.name) != table:
                self._tables[table.name] = table
                self._prepared.discard(table.name)

    def execute(self, operations: Sequence[Operation]) -> list[Reply]:
        connection = self._connected()
        replies = self._endpoint.carry_out(lambda: connection.writer.execute(operations))
        channels = channels_of(operations)
        if channels:
            listener.send(connection.signals, self._names.app, channels)
        return replies

    def find(self, query: Query, limit: int, after: Cursor | None = None) -> list[Record]:
        check_query(query)
        connection = self._connected()
        cursor_id = after and self._names.record(query.table, after.key)
        low: list[Any] = [MinKey() if query.low is None else query.low, MinKey()]
        high: list[Any] = [MaxKey(), MaxKey()] if query.high is None else [query.high, MinKey()]
        more = 0
        if after is not None and query.descending:
            high = min(high, [after.order, cursor_id], key=_bound)
        elif after is not None:
            low = max(low, [after.order, cursor_id], key=_bound)
            more = 1  # the lower bound belongs to the range, and so the record that we know
        if _bound(low) >= _bound(high):
            return []
        fields = schema.index_fields(query.index)
        prefix = [kind_of(query.table), self._names.app, *self._equals(query).values()]
        projection = {"key": 1, **dict.fromkeys(query.fields, 1)} if query.fields else None
        sort = [(field, -1 if query.descending else 1) for field in fields]

        def page() -> list[Document]:
            cursor = connection.records.find(
                schema.covered(query.table, query.index),
                projection,
                sort=sort,
                limit=limit + more,
                hint=schema.index_name(query.table, query.index),
            )
            cursor.min(list(zip(fields, [*prefix, *low], strict=True)))
            cursor.max(list(zip(fields, [*prefix, *high], strict=True)))
            return list(cursor)

        found = [each for each in self._endpoint.carry_out(page) if each["_id"] != cursor_id]
        return [decode(each, query.table, query.fields) for each in found[:limit]]

    def count(self, query: Query) -> int:
        return self._count_up_to(query, None)

    def count_many(self, queries: Sequence[Query], limit: int | None = None) -> list[int]:
        return [self._count_up_to(query, limit) for query in queries]

    def _count_up_to(self, query: Query, limit: int | None) -> int:
        check_query(query)
        connection = self._connected()
        only: dict[str, Any] = {
            "_t": kind_of(query.table),
            "_app": self._names.app,
            **self._equals(query),
        }
        bounds = {"$gte": query.low, "$lt": query.high}
        bounds = {name: value for name, value in bounds.items() if value is not None}
        if bounds:
            only[query.index.order] = bounds
        if query.index.is_sparse:  # without its condition, the whole of the index would be read
            only = {"$and": [schema.covered(query.table, query.index), only]}
        options: dict[str, Any] = {"hint": schema.index_name(query.table, query.index)}
        if limit is not None:
            options["limit"] = limit
        return self._endpoint.carry_out(lambda: connection.records.count_documents(only, **options))

    @staticmethod
    def _equals(query: Query) -> dict[str, Any]:
        return encode(dict(zip(query.index.by, query.equals, strict=True)), query.table)

    # --- queues ------------------------------------------------------------------------

    def take(self, queues: Sequence[str], limit: int, lease_s: float, now: float) -> Taken:
        if not queues:
            return Taken(())
        queue = self._connected().queues
        return self._endpoint.carry_out(lambda: queue.take(queues, limit, now, lease_s))

    def queue_depth(self, queues: Sequence[str], now: float) -> dict[str, QueueDepth]:
        connection = self._connected()
        return {
            name: self._endpoint.carry_out(lambda name=name: connection.queues.depth(name, now))  # type: ignore[misc]
            for name in queues
        }

    def find_items(self, item_ids: Sequence[str], limit: int, now: float) -> list[QueuedItem | None]:
        connection = self._connected()
        return [
            self._endpoint.carry_out(lambda each=each: connection.queues.place(each, now, limit))  # type: ignore[misc]
            for each in item_ids
        ]

    def queue_names(self) -> list[str]:
        connection = self._connected()
        return self._endpoint.carry_out(connection.queues.names)

    # --- signals -----------------------------------------------------------------------

    def subscribe(self, channels: Iterable[str], on_wake: Callable[[], None] | None = None) -> Subscription:
        self._connected()
        with self._lock:
            if self._listener is None:
                patience_s = self.conf.socket_connect_timeout
                self._listener = listener.Listener(self._listening, self._names.app, patience_s)
            ears = self._listener
        return ears.subscribe(channels, on_wake)

    def _listening(self) -> tuple[Client, Collection[Document]]:
        client = self._endpoint.connect()
        return client, self._endpoint.database(client)[schema.SIGNALS]

    # --- blobs -------------------------------------------------------------------------

    def blob_put(self, blobs: Mapping[str, bytes]) -> None:
        connection = self._connected()
        self._endpoint.carry_out(lambda: connection.blobs.put(blobs))

    def blob_get(self, keys: Sequence[str]) -> list[bytes | None]:
        connection = self._connected()
        return self._endpoint.carry_out(lambda: connection.blobs.get(keys))

    def blob_delete(self, keys: Sequence[str]) -> None:
        connection = self._connected()
        self._endpoint.carry_out(lambda: connection.blobs.delete(keys))

    # --- the engine --------------------------------------------------------------------

    def now(self) -> float:
        return self._clock.now()

    def ping(self) -> EngineInfo:
        connection = self._connected()
        layout = self._endpoint.carry_out(lambda: self._check_layout(connection.database[schema.META]))
        version = self._endpoint.carry_out(lambda: connection.client.server_info()["version"])
        return EngineInfo("mongodb", str(version), layout, self._endpoint.location)

    def _check_layout(self, meta: Collection[Document]) -> int:
        own = {"_id": self._names.app}
        meta.update_one(own, {"$setOnInsert": {"layout": LAYOUT_VERSION}}, upsert=True)
        found = meta.find_one(own)
        layout = int(found["layout"]) if found else LAYOUT_VERSION
        if layout > LAYOUT_VERSION:
            raise StorageLayoutError(
                f"the data of '{self.app_id}' in MongoDB at {self._endpoint.location} has layout {layout}, "
                f"written by a newer pynenc; this one reads up to layout {LAYOUT_VERSION}. Upgrade pynenc "
                f"here, or use another 'app_id' or database."
            )
        return layout

    def hazards(self) -> list[str]:
        concern = self._connected().records.write_concern.document
        found: list[str] = []
        if concern.get("w", "majority") in (0, 1) and self._is_replicated():
            found.append(
                f"MongoDB at {self._endpoint.location} confirms writes (w={concern['w']}) before the "
                f"majority of the replica set has them; a change of the primary may lose them. Use "
                f"'mongo_write_concern' 'majority'."
            )
        if not concern.get("j", False):
            found.append(
                f"MongoDB at {self._endpoint.location} confirms writes before they are in the journal; a "
                f"crash may lose the last of them. Set 'mongo_journal' to true."
            )
        return found

    def _is_replicated(self) -> bool:
        client = self._connected().client
        return "setName" in self._endpoint.carry_out(lambda: client.admin.command("hello"))

    def purge(self, tables: Sequence[Table] = (), queues: bool = False, blobs: bool = False) -> None:
        connection = self._connected()
        kinds = [kind_of(table) for table in tables] + [QUEUED] * queues
        for kind in kinds:
            which = {"_id": self._names.all_of(kind)}
            self._endpoint.carry_out(lambda which=which: connection.records.delete_many(which))  # type: ignore[misc]
        if blobs:
            self._endpoint.carry_out(connection.blobs.purge)

    def close(self) -> None:
        self.blocking.close()
        with self._lock:
            connection, ears = self._connection, self._listener
            self._reset()
        if ears is not None:
            ears.close()
        if connection is not None:
            connection.client.close()

    def after_fork(self) -> None:
        """Leave what belongs to the parent process alone."""
        self._lock, self._connect = threading.RLock(), SharedConnect()
        self.blocking = BlockingTake(self)
        self._reset()


class _Connection:
    """A client, and what stands on it."""

    def __init__(self, storage: MongoStorage) -> None:
        endpoint, names = storage._endpoint, storage._names
        self.client = endpoint.connect()
        self.database = endpoint.database(self.client)
        try:
            endpoint.carry_out(lambda: schema.prepare(self.database))
            endpoint.carry_out(lambda: storage._check_layout(self.database[schema.META]))
        except BaseException:
            self.client.close()
            raise
        self.records = self.database[schema.RECORDS]
        self.signals = self.database[schema.SIGNALS]
        self.writer = Writer(self.records, names, storage._next_tick)
        self.queues = Queues(self.records, names)
        self.blobs = Blobs(self.database, names)


def _bound(pair: Sequence[Any]) -> tuple[Any, ...]:
    """Return a position in an index, comparable in Python: the ends are beyond every number and text."""
    return tuple(
        (-1, 0) if isinstance(each, MinKey) else (1, 0) if isinstance(each, MaxKey) else (0, each)
        for each in pair
    )


def _after_fork_in_child() -> None:
    for storage in list(_open_storages):
        storage.after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
