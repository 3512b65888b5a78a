"""The state backend on any storage, and its in-memory and SQLite bindings."""

from __future__ import annotations

from pynenc.state_backend.base_state_backend import BaseStateBackend
from pynenc.storage.drivers import MemoryDriver, SQLiteDriver
from pynenc.storage.records import StorageRecords


class StorageStateBackend(StorageRecords, BaseStateBackend):
    """Keeps invocations and outcomes in a storage."""


class MemStateBackend(StorageStateBackend):
    """Keeps state in the memory of this process."""

    driver = MemoryDriver
    shared_between_processes = False


class SQLiteStateBackend(StorageStateBackend):
    """Keeps state in a SQLite file."""

    driver = SQLiteDriver
