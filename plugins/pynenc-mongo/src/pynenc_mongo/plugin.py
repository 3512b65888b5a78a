"""The components and builder methods of the plugin; nothing here imports pymongo."""

from __future__ import annotations

from collections.abc import Iterable

from pynenc.plugins.component import BuilderMethod, ComponentSpec, family_specs
from pynenc.plugins.hookspecs import hookimpl


@hookimpl
def pynenc_components() -> Iterable[ComponentSpec]:
    """Return the five components that keep data."""
    return family_specs("mongo", "Mongo", "pynenc_mongo.components", ("pynenc_mongo.settings:ConfigMongo",))


@hookimpl
def pynenc_builder_methods() -> Iterable[BuilderMethod]:
    """Return what `PynencBuilder` can say of MongoDB."""
    for name in ("mongo", "mongo_client_data_store", "mongo_trigger"):
        yield BuilderMethod(name, f"pynenc_mongo.builder:{name}")
