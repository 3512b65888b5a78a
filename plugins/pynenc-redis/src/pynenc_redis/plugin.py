"""What the plugin offers; nothing here imports the Redis client."""

from __future__ import annotations

from collections.abc import Iterable

from pynenc.plugins.component import BuilderMethod, ComponentSpec
from pynenc.plugins.hookspecs import hookimpl
from pynenc.plugins.kinds import ComponentKind

_SETTINGS = "pynenc_redis.settings:ConfigRedis"


@hookimpl
def pynenc_components() -> Iterable[ComponentSpec]:
    """The five components that keep data."""
    for kind, name, conf in (
        (ComponentKind.BROKER, "RedisBroker", "ConfigBroker"),
        (ComponentKind.ORCHESTRATOR, "RedisOrchestrator", "ConfigOrchestrator"),
        (ComponentKind.STATE_BACKEND, "RedisStateBackend", "ConfigStateBackend"),
        (ComponentKind.TRIGGER, "RedisTrigger", "ConfigTrigger"),
        (ComponentKind.CLIENT_DATA_STORE, "RedisClientDataStore", "ConfigClientDataStore"),
    ):
        path = f"pynenc_redis.components:{name}"
        yield ComponentSpec(kind, name, path, "redis", (f"pynenc.conf.config_{kind}:{conf}", _SETTINGS))


@hookimpl
def pynenc_builder_methods() -> Iterable[BuilderMethod]:
    """What `PynencBuilder` can say of Redis."""
    for name in ("redis", "redis_client_data_store", "redis_trigger"):
        yield BuilderMethod(name, f"pynenc_redis.builder:{name}")
