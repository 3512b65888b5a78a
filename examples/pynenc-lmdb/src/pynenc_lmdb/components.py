"""The core's components, bound to LMDB."""

from __future__ import annotations

import os

from pynenc.backend import ComponentContext, Storage, StorageDriver, storage_family
from pynenc.builder import PynencBuilder
from pynenc_lmdb.settings import ConfigLMDB
from pynenc_lmdb.storage import LMDBStorage


class LMDBDriver(StorageDriver):
    """One folder for all LMDB components of an app, as the settings say."""

    @classmethod
    def open(cls, context: ComponentContext) -> Storage:
        conf = context.settings(ConfigLMDB)
        path = os.path.realpath(conf.lmdb_path)
        return context.shared(("lmdb", path), lambda: LMDBStorage(context.app_id, path, conf.lmdb_map_size))


LMDBBroker, LMDBOrchestrator, LMDBStateBackend, LMDBTrigger, LMDBClientDataStore = storage_family(
    "LMDB", LMDBDriver, module=__name__
)


def use_lmdb(builder: PynencBuilder, lmdb_path: str | None = None) -> None:
    """`PynencBuilder().lmdb(...)`: keep everything in a folder."""
    builder.custom_config(backend="lmdb")
    builder.section("lmdb", lmdb_path=lmdb_path)
