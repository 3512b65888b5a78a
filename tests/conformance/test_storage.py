"""The storage drivers of the core keep every promise of the port."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from pynenc.storage.base_storage import Storage
from pynenc.storage.memory_storage import MemoryStorage
from pynenc.storage.sqlite_storage import SQLiteStorage
from pynenc.testing import StorageSuite
from pynenc.testing.storage_fixtures import MakeStorage


class TestMemoryStorage(StorageSuite):
    many_processes = False

    @pytest.fixture
    def make_storage(self) -> MakeStorage:
        return MemoryStorage


class TestSQLiteStorage(StorageSuite):
    @pytest.fixture
    def make_storage(self, tmp_path: Path) -> MakeStorage:
        return partial(SQLiteStorage, path=tmp_path / "kit.db")

    @pytest.fixture
    def newer_layout(self, tmp_path: Path) -> Callable[[Storage], None]:
        def mark(storage: Storage) -> None:
            with contextlib.closing(sqlite3.connect(tmp_path / "kit.db")) as connection:
                connection.execute("UPDATE pynenc_meta SET value = 99 WHERE name = 'layout'")
                connection.commit()

        return mark
