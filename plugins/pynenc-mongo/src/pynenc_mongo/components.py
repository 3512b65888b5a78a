"""The core's components, bound to MongoDB."""

from __future__ import annotations

from pynenc.broker.storage_broker import StorageBroker
from pynenc.client_data_store.storage_client_data_store import StorageClientDataStore
from pynenc.orchestrator.storage_orchestrator import StorageOrchestrator
from pynenc.plugins.component import ComponentContext
from pynenc.state_backend.storage_state_backend import StorageStateBackend
from pynenc.storage.base_storage import Storage
from pynenc.storage.drivers import StorageDriver
from pynenc.trigger.storage_trigger import StorageTrigger
from pynenc_mongo.settings import ConfigMongo
from pynenc_mongo.storage import MongoStorage


class MongoDriver(StorageDriver):
    """One MongoDB for all Mongo components of an app, as the settings say."""

    @classmethod
    def open(cls, context: ComponentContext) -> Storage:
        return context.shared("mongo", lambda: MongoStorage(context.app_id, context.settings(ConfigMongo)))


class MongoBroker(StorageBroker):
    """Queues in MongoDB."""

    driver = MongoDriver


class MongoOrchestrator(StorageOrchestrator):
    """Status records in MongoDB."""

    driver = MongoDriver


class MongoStateBackend(StorageStateBackend):
    """Invocations and outcomes in MongoDB."""

    driver = MongoDriver


class MongoTrigger(StorageTrigger):
    """Triggers and events in MongoDB."""

    driver = MongoDriver


class MongoClientDataStore(StorageClientDataStore):
    """Large arguments and results in MongoDB."""

    driver = MongoDriver
