"""Methods that the plugin adds to `PynencBuilder`."""

from __future__ import annotations

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


def redis_client_data_store(
    builder: PynencBuilder,
    min_size_to_cache: int | None = None,
    max_size_to_cache: int | None = None,
    local_cache_size: int | None = None,
    warn_threshold: int | None = None,
    compression_enabled: bool | None = None,
) -> None:
    """Keep large values in Redis."""
    builder.custom_config(client_data_store_cls="RedisClientDataStore")
    builder.section(
        "client_data_store",
        min_size_to_cache=min_size_to_cache,
        max_size_to_cache=max_size_to_cache,
        local_cache_size=local_cache_size,
        warn_threshold=warn_threshold,
        compression_enabled=compression_enabled,
    )


def redis_trigger(
    builder: PynencBuilder,
    scheduler_interval_seconds: float | None = None,
    enable_scheduler: bool | None = None,
    max_events_batch_size: int | None = None,
    event_retention_days: float | None = None,
) -> None:
    """Keep triggers in Redis."""
    builder.custom_config(trigger_cls="RedisTrigger")
    builder.section(
        "trigger",
        scheduler_interval_seconds=scheduler_interval_seconds,
        enable_scheduler=enable_scheduler,
        max_events_batch_size=max_events_batch_size,
        event_retention_days=event_retention_days,
    )
