"""Drivers over real files that break one promise about connections each."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from pynenc.storage.operations import Operation, Reply
from pynenc.storage.sqlite_storage import LAYOUT_VERSION, SQLiteStorage


class UsesAThreadAcrossAFork(SQLiteStorage):
    """Works in a thread that a forked child does not have."""

    def __init__(self, app_id: str, path: str) -> None:
        super().__init__(app_id, path)
        self._pool = ThreadPoolExecutor(1)

    def execute(self, operations: Sequence[Operation]) -> list[Reply]:
        return self._pool.submit(super().execute, operations).result()


class DeadInAChild(SQLiteStorage):
    """Raises in a child what no caller understands."""

    def __init__(self, app_id: str, path: str) -> None:
        super().__init__(app_id, path)
        self._connection = sqlite3.connect(":memory:")

    def execute(self, operations: Sequence[Operation]) -> list[Reply]:
        self._connection.execute("SELECT 1")  # only in the thread that has made it
        return super().execute(operations)


class ReadsNewerLayouts(SQLiteStorage):
    """Does not look at the version of what is stored."""

    def _check_layout(self, connection: sqlite3.Connection) -> int:
        return LAYOUT_VERSION


BROKEN: dict[Callable[..., SQLiteStorage], str] = {
    UsesAThreadAcrossAFork: "after a fork both processes go on with the same storage",
    DeadInAChild: "one storage is used by many threads at once",
    ReadsNewerLayouts: "data that a newer version has written is refused",
}
"""The drivers, and what the kit says of each."""
