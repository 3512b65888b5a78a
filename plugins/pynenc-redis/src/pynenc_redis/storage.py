"""The storage driver on Redis."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast
from urllib.parse import quote

import msgspec
import redis

from pynenc.exceptions import StorageLayoutError, StorageUnavailableError
from pynenc.storage.base_storage import LAYOUT_VERSION, Storage
from pynenc.storage.blocking_take import BlockingTake
from pynenc.storage.engine_clock import EngineClock
from pynenc.storage.operations import (
    Cursor,
    EngineInfo,
    Operation,
    Query,
    QueueDepth,
    QueuedItem,
    QueueItem,
    Record,
    Reply,
    Table,
    Taken,
    check_query,
)
from pynenc.storage.shared_connect import SharedConnect
from pynenc.storage.subscription import Subscription
from pynenc_redis.connection import Client, Endpoint, explained, listening_connection
from pynenc_redis.encoding import decode_rows, encode, unpack
from pynenc_redis.listener import Listener
from pynenc_redis.program import Program, index_key, orders_of
from pynenc_redis.settings import ConfigRedis
from pynenc_redis.tables import complete_indexes
from pynenc_redis.wire import Runs, Script

_SAFE_POLICY = "noeviction"
_DELETED_AT_ONCE = 500
_pack = msgspec.msgpack.Encoder().encode
_open_storages: weakref.WeakSet[RedisStorage] = weakref.WeakSet()


class RedisStorage(Storage):
    """All data of an app under the prefix `pynenc:{app}`, so that a cluster keeps it together.

    Each call is one round trip and one script, so what is sent together happens together.

    Args:
        app_id: Whose data this is.
        conf: How to reach the server.
    """

    def __init__(self, app_id: str, conf: ConfigRedis) -> None:
        super().__init__(app_id)
        self.conf = conf
        self._endpoint = Endpoint(self.conf)
        self._prefix = f"pynenc:{{{quote(app_id, safe='')}}}"
        self._apply = Script("apply")
        self._take = Script("take")
        self._find = Script("find")
        self._queues = Script("queues")
        self._look = Script("look")
        self._lock = threading.Lock()
        self._connect = SharedConnect()
        self._tables: dict[str, Table] = {}
        self._are_known, self._is_fresh = True, False
        self._completing = threading.Lock()
        self._reset()
        _open_storages.add(self)

    def _reset(self) -> None:
        self._client: Client | None = None
        self._wire: Runs | None = None
        self._clock = EngineClock(self._server_time)
        self._listener: Listener | None = None

    # --- the connection ----------------------------------------------------------------

    def _connected(self) -> Client:
        client = self._client
        if client is None:
            client = self._connect.once(self._opened)
        if not self._are_known:
            with explained(self._endpoint.location):
                self._complete_indexes(client)
        return client

    def _opened(self) -> Client:
        """Return a client whose server was looked at; made anew, or by another thread meanwhile."""
        with self._lock:
            client = self._client
            if client is None:
                client = self._endpoint.connect()
                with explained(self._endpoint.location):
                    self._check_layout(client)
                    # Were this refused later, it would be in the middle of a script.
                    client.publish(f"{self._prefix}:c:hello", "")
                self._wire = self._endpoint.wire(client)
                self._client = client
        return client

    def _check_layout(self, client: Client) -> int:
        key = f"{self._prefix}:layout"
        found = client.get(key)
        if found is None:
            self._is_fresh = bool(client.set(key, LAYOUT_VERSION, nx=True))
            return LAYOUT_VERSION
        layout = int(cast(bytes, found))
        if layout > LAYOUT_VERSION:
            raise StorageLayoutError(
                f"the data of '{self.app_id}' in Redis at {self._endpoint.location} has layout {layout}, "
                f"written by a newer pynenc; this one reads up to layout {LAYOUT_VERSION}. Upgrade pynenc "
                f"here, or use another 'app_id' or database."
            )
        return layout

    def _run(self, script: Script, keys: Sequence[str], *arguments: Any) -> Any:
        self._connected()
        with explained(self._endpoint.location):
            return self._connected_wire().run(script, keys, *arguments)

    def _connected_wire(self) -> Runs:
        if self._wire is None:
            raise StorageUnavailableError("the connection to Redis was closed while it was in use")
        return self._wire

    def _server_time(self) -> float:
        client = self._connected()
        with explained(self._endpoint.location):
            seconds, microseconds = client.time(**self._at_own_node(client))
        return seconds + microseconds / 1e6

    def _at_own_node(self, client: Client) -> dict[str, Any]:
        """Return where a command without a key goes: in a cluster, to the node that keeps this app."""
        if isinstance(client, redis.RedisCluster):
            return {"target_nodes": client.get_node_from_key(self._prefix)}
        return {}

    # --- records -----------------------------------------------------------------------

    def declare(self, tables: Iterable[Table]) -> None:
        """Note the tables; before the next request it is looked whether they have got indexes since."""
        for table in tables:
            if self._tables.get(table.name) != table:
                self._tables[table.name] = table
                self._are_known = False

    def _complete_indexes(self, client: Client) -> None:
        with self._completing:
            if self._are_known:
                return
            wanted, run = dict(self._tables), self._connected_wire().run
            where = self._at_own_node(client)
            complete_indexes(
                client,
                self._prefix,
                wanted,
                self._is_fresh,
                cast("Iterator[bytes]", client.scan_iter(f"{self._prefix}:r:*", 1000, **where)),
                lambda packed: run(self._apply, [self._prefix], packed),
            )
            self._are_known = wanted == self._tables

    def execute(self, operations: Sequence[Operation]) -> list[Reply]:
        program = Program(self._prefix, operations)
        packed = self._run(self._apply, [self._prefix], program.packed)
        return program.replies(unpack(packed))

    def find(self, query: Query, limit: int, after: Cursor | None = None) -> list[Record]:
        check_query(query)
        fields = query.fields or (*query.table.fields, *query.table.append_only)
        request = _pack(
            (
                _bound(query.low),
                _bound(query.high),
                query.descending,
                limit,
                repr(after.order) if after else False,
                after.key if after else False,
                fields,
            )
        )
        begin = f"{self._prefix}:r:{query.table.name}:"
        rows = unpack(self._run(self._find, [self._index(query), begin], request))
        orders = orders_of(query.table)
        return list(decode_rows(fields, rows, query.table.append_only, orders))

    def count(self, query: Query) -> int:
        return self.count_many([query])[0]

    def count_many(self, queries: Sequence[Query], limit: int | None = None) -> list[int]:
        client = self._connected()
        with explained(self._endpoint.location):
            pipeline = client.pipeline(transaction=False)
            for query in queries:
                check_query(query)
                low = "-inf" if query.low is None else repr(query.low)
                high = "+inf" if query.high is None else f"({query.high!r}"
                pipeline.zcount(self._index(query), low, high)
            counts = pipeline.execute()
        return counts if limit is None else [min(count, limit) for count in counts]

    def _index(self, query: Query) -> str:
        number = query.table.indexes.index(query.index) + 1
        return index_key(self._prefix, query.table, number, map(encode, query.equals))

    # --- queues ------------------------------------------------------------------------

    def take(self, queues: Sequence[str], limit: int, lease_s: float, now: float) -> Taken:
        packed = self._run(self._take, [self._prefix], repr(now), repr(now + lease_s), limit, *queues)
        rows, next_due = unpack(packed)
        items = tuple((queue, QueueItem(id_, payload, -float(rank))) for queue, id_, payload, rank in rows)
        return Taken(items, float(next_due) if next_due else None)

    def queue_depth(self, queues: Sequence[str], now: float) -> dict[str, QueueDepth]:
        client = self._connected()
        with explained(self._endpoint.location):
            pipeline = client.pipeline(transaction=False)
            for queue in queues:
                begin = f"{self._prefix}:q:{queue}"
                pipeline.zcard(f"{begin}:ready")
                pipeline.zcount(f"{begin}:held", "-inf", repr(now))
                pipeline.zcount(f"{begin}:held", f"({now!r}", "+inf")
            counts = iter(pipeline.execute())
        return {queue: QueueDepth(next(counts) + next(counts), next(counts)) for queue in queues}

    def find_items(self, item_ids: Sequence[str], limit: int, now: float) -> list[QueuedItem | None]:
        found = unpack(self._run(self._look, [self._prefix], repr(now), *item_ids))
        return [None if each is False else _placed(now, *each) for each in found]

    def queue_names(self) -> list[str]:
        return sorted(name.decode() for name in self._run(self._queues, [self._prefix]))

    # --- signals -----------------------------------------------------------------------

    def subscribe(self, channels: Iterable[str], on_wake: Callable[[], None] | None = None) -> Subscription:
        client = self._connected()
        with self._lock:
            if self._listener is None:
                self._listener = Listener(
                    lambda: listening_connection(client, self._prefix),
                    f"{self._prefix}:c:",
                    self.conf.socket_timeout,
                )
            listener = self._listener
        return listener.subscribe(channels, on_wake)

    # --- blobs -------------------------------------------------------------------------

    def _blob(self, key: str) -> str:
        return f"{self._prefix}:b:{key}"

    def blob_put(self, blobs: Mapping[str, bytes]) -> None:
        client = self._connected()
        with explained(self._endpoint.location):
            pipeline = client.pipeline(transaction=False)
            for key, blob in blobs.items():
                pipeline.set(self._blob(key), blob, nx=True)
            pipeline.execute()

    def blob_get(self, keys: Sequence[str]) -> list[bytes | None]:
        client = self._connected()
        with explained(self._endpoint.location):
            return (
                list(cast("list[bytes | None]", client.mget([self._blob(key) for key in keys])))
                if keys
                else []
            )

    def blob_delete(self, keys: Sequence[str]) -> None:
        client = self._connected()
        with explained(self._endpoint.location):
            if keys:
                client.unlink(*(self._blob(key) for key in keys))

    # --- the engine --------------------------------------------------------------------

    def now(self) -> float:
        return self._clock.now()

    def ping(self) -> EngineInfo:
        client = self._connected()
        with explained(self._endpoint.location):
            layout = self._check_layout(client)
            info = self._info(client, "server")
        engine = "valkey" if "valkey_version" in info else "redis"
        version = str(info.get("valkey_version") or info.get("redis_version") or "of unknown version")
        return EngineInfo(engine, version, layout, self._endpoint.location)

    def hazards(self) -> list[str]:
        client = self._connected()
        with explained(self._endpoint.location):
            policy = self._info(client, "memory").get("maxmemory_policy", _SAFE_POLICY)
        if policy == _SAFE_POLICY:
            return []
        return [
            f"Redis at {self._endpoint.location} may evict data when its memory is full (maxmemory-policy "
            f"'{policy}'), and with it invocations. Set 'maxmemory-policy {_SAFE_POLICY}' there."
        ]

    def cautions(self) -> list[str]:
        client = self._connected()
        with explained(self._endpoint.location):
            persistence = self._info(client, "persistence")
        if persistence.get("aof_enabled", 1):
            return []
        return [
            f"Redis at {self._endpoint.location} has no append-only file, so a crash of the server loses "
            f"what was written since its last snapshot, if there is one. Set 'appendonly yes' to keep it."
        ]

    def _info(self, client: Client, section: str) -> dict[str, Any]:
        """Return what the server says of itself; nothing if this user may not ask."""
        try:
            return client.info(section, **self._at_own_node(client))
        except redis.exceptions.NoPermissionError:
            return {}

    def purge(self, tables: Sequence[Table] = (), queues: bool = False, blobs: bool = False) -> None:
        patterns = [f"{self._prefix}:{kind}:{table.name}:*" for table in tables for kind in ("r", "x")]
        keys: list[str] = []
        if queues:
            patterns.append(f"{self._prefix}:q:*")
            keys += [f"{self._prefix}:items", f"{self._prefix}:queues"]
        if blobs:
            patterns.append(f"{self._prefix}:b:*")
        client = self._connected()
        with explained(self._endpoint.location):
            for pattern in patterns:
                found = client.scan_iter(match=pattern, count=_DELETED_AT_ONCE, **self._at_own_node(client))
                keys += [key.decode() for key in cast("Iterable[bytes]", found)]
            for start in range(0, len(keys), _DELETED_AT_ONCE):
                client.unlink(*keys[start : start + _DELETED_AT_ONCE])

    def close(self) -> None:
        self.blocking.close()
        with self._lock:
            client, wire, listener = self._client, self._wire, self._listener
            self._reset()
        if listener is not None:
            listener.close()
        if wire is not None:
            wire.close()
        if client is not None:
            client.close()

    def after_fork(self) -> None:
        """Leave what belongs to the parent process alone."""
        self._lock, self._completing = threading.Lock(), threading.Lock()
        self._connect = SharedConnect()
        self.blocking = BlockingTake(self)
        self._reset()


def _placed(now: float, queue: str, rank: str, due: str, before: int, better: int) -> QueuedItem:
    held_until = float(due)
    return QueuedItem(queue, 0.0 - float(rank), held_until if held_until > now else 0.0, before, better)


def _bound(value: float | None) -> str | bool:
    return False if value is None else repr(value)


def _after_fork_in_child() -> None:
    for storage in list(_open_storages):
        storage.after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
