"""The core's components, bound to LMDB."""

from __future__ import annotations

import os

from pynenc.broker.storage_broker import StorageBroker
from pynenc.builder import PynencBuilder
from pynenc.client_data_store.storage_client_data_store import StorageClientDataStore
from pynenc.orchestrator.storage_orchestrator import StorageOrchestrator
from pynenc.plugins.component import ComponentContext
from pynenc.state_backend.storage_state_backend import StorageStateBackend
from pynenc.storage.base_storage import Storage
from pynenc.storage.drivers import StorageDriver
from pynenc.trigger.storage_trigger import StorageTrigger
from pynenc_lmdb.settings import ConfigLMDB
from pynenc_lmdb.storage import LMDBStorage


class LMDBDriver(StorageDriver):
    """One folder for all LMDB components of an app, as the settings say."""

    @classmethod
    def open(cls, context: ComponentContext) -> Storage:
        conf = context.settings(ConfigLMDB)
        path = os.path.realpath(conf.lmdb_path)
        return context.shared(("lmdb", path), lambda: LMDBStorage(context.app_id, path, conf.lmdb_map_size))


class LMDBBroker(StorageBroker):
    """Queues in LMDB."""

    driver = LMDBDriver


class LMDBOrchestrator(StorageOrchestrator):
    """Status records in LMDB."""

    driver = LMDBDriver


class LMDBStateBackend(StorageStateBackend):
    """Invocations and outcomes in LMDB."""

    driver = LMDBDriver


class LMDBTrigger(StorageTrigger):
    """Triggers and events in LMDB."""

    driver = LMDBDriver


class LMDBClientDataStore(StorageClientDataStore):
    """Large arguments and results in LMDB."""

    driver = LMDBDriver


def use_lmdb(builder: PynencBuilder, lmdb_path: str | None = None) -> None:
    """`PynencBuilder().lmdb(...)`: keep everything in a folder."""
    builder.custom_config(backend="lmdb")
    builder.section("lmdb", lmdb_path=lmdb_path)
