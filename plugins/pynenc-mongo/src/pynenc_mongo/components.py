"""The core's components, bound to MongoDB."""

from __future__ import annotations

from pynenc.backend import ComponentContext, Storage, StorageDriver, storage_family
from pynenc_mongo.settings import ConfigMongo
from pynenc_mongo.storage import MongoStorage


class MongoDriver(StorageDriver):
    """One MongoDB for all Mongo components of an app, as the settings say."""

    @classmethod
    def open(cls, context: ComponentContext) -> Storage:
        return context.shared("mongo", lambda: MongoStorage(context.app_id, context.settings(ConfigMongo)))


MongoBroker, MongoOrchestrator, MongoStateBackend, MongoTrigger, MongoClientDataStore = storage_family(
    "Mongo", MongoDriver, module=__name__
)
