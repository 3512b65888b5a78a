"""The components and builder methods of the plugin; nothing here imports the Redis client."""

from __future__ import annotations

from collections.abc import Iterable

from pynenc.plugins.component import BuilderMethod, ComponentSpec, family_specs
from pynenc.plugins.hookspecs import hookimpl


@hookimpl
def pynenc_components() -> Iterable[ComponentSpec]:
    """Return the five components that keep data."""
    return family_specs("redis", "Redis", "pynenc_redis.components", ("pynenc_redis.settings:ConfigRedis",))


@hookimpl
def pynenc_builder_methods() -> Iterable[BuilderMethod]:
    """Return what `PynencBuilder` can say of Redis."""
    for name in ("redis", "redis_client_data_store", "redis_trigger"):
        yield BuilderMethod(name, f"pynenc_redis.builder:{name}")
