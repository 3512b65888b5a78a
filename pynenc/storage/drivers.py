"""Drivers that open the storage of components."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import ClassVar

from pynenc.conf.config_sqlite import ConfigSQLite
from pynenc.plugins.component import ComponentContext, DataComponent
from pynenc.storage.base_storage import Storage
from pynenc.storage.memory_storage import MemoryStorage
from pynenc.storage.operations import Table
from pynenc.storage.sqlite_storage import SQLiteStorage


class StorageDriver(ABC):
    """Opens the storage of a family; components of one app with equal settings share it."""

    @classmethod
    @abstractmethod
    def open(cls, context: ComponentContext) -> Storage:
        """Return the storage for the app of this context."""


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


class StorageComponent(DataComponent):
    """The base of all components on a storage.

    Attributes:
        driver: Opens the storage; a family binds a component by setting it.
        tables: The tables that the component owns.
        storage: The storage.
    """

    driver: ClassVar[type[StorageDriver]]
    tables: ClassVar[tuple[Table, ...]] = ()

    def __init__(self, context: ComponentContext) -> None:
        super().__init__(context)
        self.storage = self.driver.open(context)
        self.storage.declare(self.tables)

    def purge(self) -> None:
        """Delete the data of this component."""
        self.storage.purge(tables=self.tables)

    def ping(self) -> str:
        info = self.storage.ping()
        return f"{info.engine} {info.version}, layout {info.layout}, {info.location}"

    def hazards(self) -> list[str]:
        return self.storage.hazards()

    def cautions(self) -> list[str]:
        return self.storage.cautions()

    def close(self) -> None:
        self.storage.close()
