"""The core's components, bound to Redis."""

from __future__ import annotations

from pynenc.broker.storage_broker import StorageBroker
from pynenc.client_data_store.storage_client_data_store import StorageClientDataStore
from pynenc.orchestrator.storage_orchestrator import StorageOrchestrator
from pynenc.plugins.component import ComponentContext
from pynenc.state_backend.storage_state_backend import StorageStateBackend
from pynenc.storage.base_storage import Storage
from pynenc.storage.drivers import StorageDriver
from pynenc.trigger.storage_trigger import StorageTrigger
from pynenc_redis.settings import ConfigRedis
from pynenc_redis.storage import RedisStorage


class RedisDriver(StorageDriver):
    """One Redis for all Redis components of an app, as the settings say."""

    @classmethod
    def open(cls, context: ComponentContext) -> Storage:
        return context.shared("redis", lambda: RedisStorage(context.app_id, context.settings(ConfigRedis)))


class RedisBroker(StorageBroker):
    """Queues in Redis."""

    driver = RedisDriver


class RedisOrchestrator(StorageOrchestrator):
    """Status records in Redis."""

    driver = RedisDriver


class RedisStateBackend(StorageStateBackend):
    """Invocations and outcomes in Redis."""

    driver = RedisDriver


class RedisTrigger(StorageTrigger):
    """Triggers and events in Redis."""

    driver = RedisDriver


class RedisClientDataStore(StorageClientDataStore):
    """Large arguments and results in Redis."""

    driver = RedisDriver
