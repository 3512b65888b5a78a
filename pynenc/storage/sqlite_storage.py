"""The storage driver on one SQLite file, for any number of processes of one machine."""

from __future__ import annotations

import os
import sqlite3
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import assert_never

from pynenc.exceptions import StorageError, StorageLayoutError
from pynenc.storage.base_storage import LAYOUT_VERSION, Storage
from pynenc.storage.blocking_take import BlockingTake, channels_of
from pynenc.storage.fifo_wakeup import FifoWakeups
from pynenc.storage.operations import (
    APPLIED,
    Ack,
    Cursor,
    Delete,
    EngineInfo,
    Insert,
    Notify,
    Operation,
    Outcome,
    Patch,
    Push,
    Query,
    QueueDepth,
    QueuedItem,
    Read,
    Record,
    Reply,
    Scalar,
    Table,
    Taken,
    check_query,
    record_key,
)
from pynenc.storage.sqlite_connection import SQLiteFile
from pynenc.storage.sqlite_queue import SQLiteQueue
from pynenc.storage.sqlite_statements import TableStatements, pack_entry, prefix, quoted
from pynenc.storage.subscription import Subscription

_META = "pynenc_meta"
_KEYS_PER_SELECT = 500
_open_storages: weakref.WeakSet[SQLiteStorage] = weakref.WeakSet()


class SQLiteStorage(Storage):
    """One SQLite file in WAL mode.

    Args:
        app_id: Whose data this is; several apps may share the file.
        path: The file; its folder must exist.
        synchronous: `NORMAL` survives a crash of any process, `FULL` also one of the machine.
    """

    def __init__(self, app_id: str, path: str | Path, synchronous: str = "NORMAL") -> None:
        super().__init__(app_id)
        self.path = Path(os.path.realpath(Path(path).expanduser()))
        self._file = SQLiteFile(self.path, synchronous)
        self._wakeups = self._new_wakeups()
        self._prefix = prefix(app_id)
        self._blobs = quoted(f"{self._prefix}blob")
        self._queue = SQLiteQueue(self._prefix)
        self._tables: dict[str, TableStatements] = {}
        self._prepared = False
        _open_storages.add(self)

    def _new_wakeups(self) -> FifoWakeups:
        return FifoWakeups(self.path.with_name(self.path.name + ".wake"))

    # --- schema ------------------------------------------------------------------------

    def declare(self, tables: Iterable[Table]) -> None:
        new = [TableStatements(self.app_id, table) for table in tables]
        missing = self._file.read(lambda connection: self._missing(connection, new))
        if missing:
            self._file.write(lambda connection: [connection.execute(sql) for sql in missing])
        self._prepared = True
        self._tables.update({statements.table.name: statements for statements in new})

    def _missing(self, connection: sqlite3.Connection, new: list[TableStatements]) -> list[str]:
        """Return the statements that bring the file to what is declared."""
        present = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        missing: list[str] = []
        if _META in present:
            self._check_layout(connection)
        else:
            missing += [
                f"CREATE TABLE IF NOT EXISTS {_META} (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
                f"INSERT INTO {_META} VALUES ('layout', {LAYOUT_VERSION}) ON CONFLICT DO NOTHING",
            ]
        if f"{self._prefix}blob" not in present:
            missing += [f"CREATE TABLE IF NOT EXISTS {self._blobs} (key TEXT PRIMARY KEY, data BLOB)"]
            missing += self._queue.create()
        for statements in new:
            if statements.plain_name in present:
                rows = connection.execute(f"PRAGMA table_info({statements.name})")
                columns = {row[1] for row in rows}
                missing += [
                    f"ALTER TABLE {statements.name} ADD COLUMN {statements.column_definition(name)}"
                    for name in statements.columns
                    if name not in columns
                ]
            wanted = statements.create()
            missing += wanted[1:] if statements.plain_name in present else wanted
        return missing

    def _check_layout(self, connection: sqlite3.Connection) -> int:
        row = connection.execute(f"SELECT value FROM {_META} WHERE name = 'layout'").fetchone()
        layout = int(row[0]) if row else LAYOUT_VERSION
        if layout > LAYOUT_VERSION:
            raise StorageLayoutError(
                f"the data in '{self.path}' has layout {layout}, written by a newer pynenc; this one "
                f"reads up to layout {LAYOUT_VERSION}. Upgrade pynenc here, or use another file."
            )
        return layout

    def _statements(self, table: Table) -> TableStatements:
        statements = self._tables.get(table.name)
        if statements is None:
            raise StorageError(f"table '{table.name}' was not declared")
        return statements

    def _prepare(self) -> None:
        if not self._prepared:
            self.declare(())

    # --- records -----------------------------------------------------------------------

    def execute(self, operations: Sequence[Operation]) -> list[Reply]:
        self._prepare()
        if all(isinstance(operation, Read) for operation in operations):
            return self._file.read(lambda connection: self._apply_all(connection, operations))
        replies = self._file.write(lambda connection: self._apply_all(connection, operations))
        channels = channels_of(operations)
        if channels:
            self._wakeups.notify(channels)
        return replies

    def _apply_all(self, connection: sqlite3.Connection, operations: Sequence[Operation]) -> list[Reply]:
        return [self._apply(connection, operation) for operation in operations]

    def _apply(self, connection: sqlite3.Connection, operation: Operation) -> Reply:
        match operation:
            case Patch():
                return self._patch(connection, operation)
            case Insert():
                return self._insert(connection, operation)
            case Read():
                return self._read(connection, operation)
            case Delete():
                statements = self._statements(operation.table)
                sql = statements.delete(tuple(operation.expect))
                cursor = connection.execute(sql, (operation.key, *operation.expect.values()))
                return self._outcome(connection, cursor, operation)
            case Push():
                self._queue.push(connection, operation)
            case Ack():
                self._queue.ack(connection, operation.item_ids)
            case Notify():
                pass
            case _:
                assert_never(operation)
        return None

    def _insert(self, connection: sqlite3.Connection, operation: Insert) -> Outcome:
        statements = self._statements(operation.table)
        names = (*operation.values, *operation.append)
        entries = (pack_entry(entry) for entry in operation.append.values())
        cursor = connection.execute(
            statements.insert(names), (operation.key, *operation.values.values(), *entries)
        )
        return APPLIED if cursor.rowcount == 1 else Outcome(False, {})

    def _patch(self, connection: sqlite3.Connection, operation: Patch) -> Outcome:
        statements = self._statements(operation.table)
        sql = statements.patch(tuple(operation.values), tuple(operation.append), tuple(operation.expect))
        values = [*operation.values.values(), *map(pack_entry, operation.append.values())]
        cursor = connection.execute(sql, (*values, operation.key, *operation.expect.values()))
        return self._outcome(connection, cursor, operation)

    def _outcome(
        self, connection: sqlite3.Connection, cursor: sqlite3.Cursor, operation: Patch | Delete
    ) -> Outcome:
        if cursor.rowcount == 1:
            return APPLIED
        guarded = Read(operation.table, (operation.key,), tuple(operation.expect))
        (record,) = self._read(connection, guarded)
        if record is None:
            return Outcome(False)
        return Outcome(False, {name: record[name] for name in operation.expect})

    def _read(self, connection: sqlite3.Connection, operation: Read) -> list[Record | None]:
        statements = self._statements(operation.table)
        found: dict[str, Record] = {}
        for start in range(0, len(operation.keys), _KEYS_PER_SELECT):
            keys = operation.keys[start : start + _KEYS_PER_SELECT]
            rows = connection.execute(statements.select(operation.fields, len(keys)), keys)
            for record in statements.records(rows, operation.fields):
                found[record_key(record)] = record
        return [found.get(key) for key in operation.keys]

    def find(self, query: Query, limit: int, after: Cursor | None = None) -> list[Record]:
        check_query(query)
        statements = self._statements(query.table)
        sql, values = statements.find(query, limit, after)
        return self._file.read(
            lambda connection: statements.records(connection.execute(sql, values), query.fields)
        )

    def count(self, query: Query) -> int:
        check_query(query)
        sql, values = self._statements(query.table).count(query)
        return int(self._file.read(lambda connection: connection.execute(sql, values).fetchone()[0]))

    def count_many(self, queries: Sequence[Query], limit: int | None = None) -> list[int]:
        if not queries:
            return []
        counts: list[str] = []
        parameters: list[Scalar] = []
        for query in queries:
            check_query(query)
            expression, values = self._statements(query.table).count_up_to(query, limit)
            counts.append(expression)
            parameters += values
        sql = f"SELECT {', '.join(counts)}"
        return list(self._file.read(lambda connection: connection.execute(sql, parameters).fetchone()))

    # --- queues ------------------------------------------------------------------------

    def take(self, queues: Sequence[str], limit: int, lease_s: float, now: float) -> Taken:
        self._prepare()
        return self._file.write(lambda connection: self._queue.take(connection, queues, limit, now, lease_s))

    def queue_depth(self, queues: Sequence[str], now: float) -> dict[str, QueueDepth]:
        self._prepare()
        return self._file.read(lambda connection: self._queue.depth(connection, queues, now))

    def find_items(self, item_ids: Sequence[str], limit: int, now: float) -> list[QueuedItem | None]:
        self._prepare()
        return self._file.read(
            lambda connection: [self._queue.place(connection, each, now, limit) for each in item_ids]
        )

    def queue_names(self) -> list[str]:
        self._prepare()
        return self._file.read(self._queue.names)

    # --- signals -----------------------------------------------------------------------

    def subscribe(self, channels: Iterable[str], on_wake: Callable[[], None] | None = None) -> Subscription:
        self._prepare()
        return self._wakeups.subscribe(channels, on_wake)

    # --- blobs -------------------------------------------------------------------------

    def blob_put(self, blobs: Mapping[str, bytes]) -> None:
        self._prepare()
        sql = f"INSERT INTO {self._blobs} VALUES (?, ?) ON CONFLICT DO NOTHING"
        self._file.write(lambda connection: connection.executemany(sql, list(blobs.items())))

    def blob_get(self, keys: Sequence[str]) -> list[bytes | None]:
        self._prepare()
        sql = f"SELECT data FROM {self._blobs} WHERE key = ?"

        def fetch(connection: sqlite3.Connection) -> list[bytes | None]:
            rows = [connection.execute(sql, (key,)).fetchone() for key in keys]
            return [row[0] if row else None for row in rows]

        return self._file.read(fetch)

    def blob_delete(self, keys: Sequence[str]) -> None:
        self._prepare()
        rows: list[tuple[Scalar]] = [(key,) for key in keys]
        sql = f"DELETE FROM {self._blobs} WHERE key = ?"
        self._file.write(lambda connection: connection.executemany(sql, rows))

    # --- the engine --------------------------------------------------------------------

    def ping(self) -> EngineInfo:
        self._prepare()
        layout = self._file.read(self._check_layout)
        return EngineInfo("sqlite", sqlite3.sqlite_version, layout, str(self.path))

    def hazards(self) -> list[str]:
        return [
            f"everybody on this machine may write to '{path}': take that right away with 'chmod o-w {path}'"
            for path in self._file.exposed()
        ]

    def purge(self, tables: Sequence[Table] = (), queues: bool = False, blobs: bool = False) -> None:
        self._prepare()
        names = [self._statements(table).name for table in tables]
        names += [self._queue.table] if queues else []
        names += [self._blobs] if blobs else []
        self._file.write(lambda connection: [connection.execute(f"DELETE FROM {name}") for name in names])

    def close(self) -> None:
        self.blocking.close()
        self._wakeups.close()
        self._file.close()
        self._wakeups = self._new_wakeups()

    def after_fork(self) -> None:
        """Leave what belongs to the parent process alone."""
        self.blocking = BlockingTake(self)
        self._file.after_fork()
        self._wakeups = self._new_wakeups()


def _after_fork_in_child() -> None:
    for storage in list(_open_storages):
        storage.after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
