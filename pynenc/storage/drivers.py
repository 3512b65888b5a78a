"""How components of the core come to their storage."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod

from pynenc.conf.config_sqlite import ConfigSQLite
from pynenc.plugins.component import ComponentContext
from pynenc.storage.base_storage import Storage
from pynenc.storage.memory_storage import MemoryStorage
from pynenc.storage.sqlite_storage import SQLiteStorage


class StorageDriver(ABC):
    """Opens the storage of a family; components of one app with equal settings share it."""

    @classmethod
    @abstractmethod
    def open(cls, context: ComponentContext) -> Storage:
        """The storage for the app of this context."""


class MemoryDriver(StorageDriver):
    """One memory for all in-memory components of an app."""

    @classmethod
    def open(cls, context: ComponentContext) -> Storage:
        return context.shared("memory", lambda: MemoryStorage(context.app_id))


class SQLiteDriver(StorageDriver):
    """One SQLite file, as the settings say."""

    @classmethod
    def open(cls, context: ComponentContext) -> Storage:
        conf = context.settings(ConfigSQLite)
        path = os.path.realpath(os.path.expanduser(conf.sqlite_db_path))
        return context.shared(
            ("sqlite", path), lambda: SQLiteStorage(context.app_id, path, conf.sqlite_synchronous)
        )
