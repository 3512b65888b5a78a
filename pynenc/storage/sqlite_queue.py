"""The queues of one app in a SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from pynenc.identifiers.ids import monotonic_tick
from pynenc.storage.operations import Push, QueueDepth, QueuedItem, QueueItem, Taken
from pynenc.storage.sqlite_statements import quoted


class SQLiteQueue:
    """One table for all queues.

    `held` is 0 for an item that can be taken and 1 for one that waits for `due`: its time,
    or the end of its lease. Ready items are found in order of priority and age without
    looking at a single waiting one.
    """

    def __init__(self, prefix: str) -> None:
        name = f"{prefix}queue"
        self.table = table = quoted(name)
        self._create = [
            f"CREATE TABLE IF NOT EXISTS {table} (id TEXT PRIMARY KEY NOT NULL, queue, held, rank, age,"
            f" due, payload, priority) WITHOUT ROWID",
            f"CREATE INDEX IF NOT EXISTS {quoted(name + ':ready')} ON {table} (queue, held, rank, age)",
            f"CREATE INDEX IF NOT EXISTS {quoted(name + ':due')} ON {table} (due) WHERE held = 1",
        ]
        self._push = f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
        self._ack = f"DELETE FROM {table} WHERE id = ?"
        self._overdue = f"SELECT 1 FROM {table} WHERE held = 1 AND due <= ? LIMIT 1"
        self._promote = f"UPDATE {table} SET held = 0 WHERE held = 1 AND due <= ?"
        self._best = (
            f"SELECT id, payload, priority FROM {table} WHERE queue = ? AND held = 0 "
            f"ORDER BY rank, age LIMIT ?"
        )
        self._lease = f"UPDATE {table} SET held = 1, due = ? WHERE id = ?"
        self._next = f"SELECT min(due) FROM {table} WHERE held = 1"
        self._count = f"SELECT count(*), sum(held = 1 AND due > ?) FROM {table} WHERE queue = ?"
        self._place = f"SELECT queue, priority, held, due, rank, age FROM {table} WHERE id = ?"
        ready = f"SELECT 1 FROM {table} WHERE queue = ? AND held = 0"
        self._before = f"SELECT count(*) FROM ({ready} AND (rank, age) < (?, ?) LIMIT ?)"
        self._better = f"SELECT count(*) FROM ({ready} AND rank < ? LIMIT ?)"
        self._names = f"SELECT DISTINCT queue FROM {table} ORDER BY queue"

    def create(self) -> list[str]:
        """Return statements that make the table."""
        return self._create

    def push(self, connection: sqlite3.Connection, operation: Push) -> None:
        """Queue items that are not queued yet."""
        rows = [
            (
                item.item_id,
                operation.queue,
                int(item.not_before > 0),
                -item.priority,
                monotonic_tick(),
                item.not_before,
                item.payload,
                item.priority,
            )
            for item in operation.items
        ]
        if len(rows) == 1:
            connection.execute(self._push, rows[0])
        else:
            connection.executemany(self._push, rows)

    def ack(self, connection: sqlite3.Connection, item_ids: Sequence[str]) -> None:
        """Remove items."""
        connection.executemany(self._ack, [(item_id,) for item_id in item_ids])

    def take(
        self,
        connection: sqlite3.Connection,
        queues: Sequence[str],
        limit: int,
        now: float,
        lease_s: float,
    ) -> Taken:
        """Take the best items under a lease."""
        if connection.execute(self._overdue, (now,)).fetchone():
            connection.execute(self._promote, (now,))
        taken: list[tuple[str, QueueItem]] = []
        for queue in queues:
            if len(taken) >= limit:
                break
            rows = connection.execute(self._best, (queue, limit - len(taken)))
            taken += [(queue, QueueItem(item_id, payload, priority)) for item_id, payload, priority in rows]
        if taken:
            leases = [(now + lease_s, item.item_id) for _, item in taken]
            connection.executemany(self._lease, leases)
            return Taken(tuple(taken))
        (next_due,) = connection.execute(self._next).fetchone()
        return Taken((), next_due)

    def depth(
        self, connection: sqlite3.Connection, queues: Sequence[str], now: float
    ) -> dict[str, QueueDepth]:
        """Return how full each queue is."""
        depths: dict[str, QueueDepth] = {}
        for queue in queues:
            total, waiting = connection.execute(self._count, (now, queue)).fetchone()
            depths[queue] = QueueDepth(total - (waiting or 0), waiting or 0)
        return depths

    def place(
        self, connection: sqlite3.Connection, item_id: str, now: float, limit: int
    ) -> QueuedItem | None:
        """Return where an item stands, None if it is not queued."""
        row = connection.execute(self._place, (item_id,)).fetchone()
        if row is None:
            return None
        queue, priority, held, due, rank, age = row
        (before,) = connection.execute(self._before, (queue, rank, age, limit)).fetchone()
        (better,) = connection.execute(self._better, (queue, rank, limit)).fetchone()
        return QueuedItem(queue, priority, due if held and due > now else 0.0, before, better)

    def names(self, connection: sqlite3.Connection) -> list[str]:
        """Return the queues that hold anything."""
        return [row[0] for row in connection.execute(self._names)]
