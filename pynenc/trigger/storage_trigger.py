"""The trigger store on any storage, and its in-memory and SQLite bindings."""

from __future__ import annotations

from pynenc.storage.drivers import MemoryDriver, SQLiteDriver
from pynenc.storage.records import StorageRecords
from pynenc.storage.subscription import Subscription
from pynenc.trigger.base_trigger import BaseTrigger
from pynenc.trigger.stored_records import DEFINED, OCCURRED


class StorageTrigger(StorageRecords, BaseTrigger):
    """Keeps triggers and what has occurred in a storage."""

    def subscribe(self) -> Subscription:
        return self.storage.subscribe([OCCURRED, DEFINED])

    def now(self) -> float:
        return self.storage.now()


class MemTrigger(StorageTrigger):
    """Keeps triggers in the memory of this process."""

    driver = MemoryDriver
    shared_between_processes = False


class SQLiteTrigger(StorageTrigger):
    """Keeps triggers in a SQLite file."""

    driver = SQLiteDriver
