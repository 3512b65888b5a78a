"""What the plugin offers; nothing here imports pymongo."""

from __future__ import annotations

from collections.abc import Iterable

from pynenc.plugins.component import BuilderMethod, ComponentSpec
from pynenc.plugins.hookspecs import hookimpl
from pynenc.plugins.kinds import ComponentKind

_SETTINGS = "pynenc_mongo.settings:ConfigMongo"


@hookimpl
def pynenc_components() -> Iterable[ComponentSpec]:
    """The five components that keep data."""
    for kind, name, conf in (
        (ComponentKind.BROKER, "MongoBroker", "ConfigBroker"),
        (ComponentKind.ORCHESTRATOR, "MongoOrchestrator", "ConfigOrchestrator"),
        (ComponentKind.STATE_BACKEND, "MongoStateBackend", "ConfigStateBackend"),
        (ComponentKind.TRIGGER, "MongoTrigger", "ConfigTrigger"),
        (ComponentKind.CLIENT_DATA_STORE, "MongoClientDataStore", "ConfigClientDataStore"),
    ):
        path = f"pynenc_mongo.components:{name}"
        yield ComponentSpec(kind, name, path, "mongo", (f"pynenc.conf.config_{kind}:{conf}", _SETTINGS))


@hookimpl
def pynenc_builder_methods() -> Iterable[BuilderMethod]:
    """What `PynencBuilder` can say of MongoDB."""
    for name in ("mongo", "mongo_client_data_store", "mongo_trigger"):
        yield BuilderMethod(name, f"pynenc_mongo.builder:{name}")
