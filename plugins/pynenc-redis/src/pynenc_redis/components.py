"""The core's components, bound to Redis."""

from __future__ import annotations

from pynenc.backend import ComponentContext, Storage, StorageDriver, storage_family
from pynenc_redis.settings import ConfigRedis
from pynenc_redis.storage import RedisStorage


class RedisDriver(StorageDriver):
    """One Redis for all Redis components of an app, as the settings say."""

    @classmethod
    def open(cls, context: ComponentContext) -> Storage:
        return context.shared("redis", lambda: RedisStorage(context.app_id, context.settings(ConfigRedis)))


RedisBroker, RedisOrchestrator, RedisStateBackend, RedisTrigger, RedisClientDataStore = storage_family(
    "Redis", RedisDriver, module=__name__
)
