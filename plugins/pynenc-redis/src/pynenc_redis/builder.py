"""Methods that the plugin adds to `PynencBuilder`."""

from __future__ import annotations

from pynenc.backend import client_data_store_method, trigger_method
from pynenc.builder import PynencBuilder


def redis(builder: PynencBuilder, url: str | None = None, db: int | None = None) -> None:
    """Keep everything in Redis.

    Args:
        builder: The builder.
        url: Where it is; see the setting `redis_url`.
        db: Number of the database, where no URL says it.
    """
    builder.custom_config(backend="redis")
    builder.section("redis", redis_url=url, redis_db=db)


redis_client_data_store = client_data_store_method("RedisClientDataStore")
redis_trigger = trigger_method("RedisTrigger")
