"""The client data store on any storage, and its in-memory and SQLite bindings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pynenc.client_data_store.base_client_data_store import BaseClientDataStore
from pynenc.storage.drivers import MemoryDriver, SQLiteDriver, StorageComponent


class StorageClientDataStore(StorageComponent, BaseClientDataStore):
    """Blobs of a storage."""

    def put(self, blobs: Mapping[str, bytes]) -> None:
        self.storage.blob_put(blobs)

    def get(self, keys: Sequence[str]) -> list[bytes | None]:
        return self.storage.blob_get(keys)

    def delete(self, keys: Sequence[str]) -> None:
        self.storage.blob_delete(keys)

    def purge(self) -> None:
        self.forget()
        self.storage.purge(blobs=True)


class MemClientDataStore(StorageClientDataStore):
    """Large values in the memory of this process."""

    driver = MemoryDriver
    shared_between_processes = False


class SQLiteClientDataStore(StorageClientDataStore):
    """Large values in a SQLite file."""

    driver = SQLiteDriver
