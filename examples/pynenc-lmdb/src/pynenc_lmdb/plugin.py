"""What the plugin offers; nothing here imports LMDB."""

from __future__ import annotations

from collections.abc import Iterable

from pynenc.plugins.component import BuilderMethod, ComponentSpec
from pynenc.plugins.hookspecs import hookimpl
from pynenc.plugins.kinds import ComponentKind

_SETTINGS = "pynenc_lmdb.settings:ConfigLMDB"


@hookimpl
def pynenc_components() -> Iterable[ComponentSpec]:
    """The five components that keep data."""
    for kind, name, conf in (
        (ComponentKind.BROKER, "LMDBBroker", "ConfigBroker"),
        (ComponentKind.ORCHESTRATOR, "LMDBOrchestrator", "ConfigOrchestrator"),
        (ComponentKind.STATE_BACKEND, "LMDBStateBackend", "ConfigStateBackend"),
        (ComponentKind.TRIGGER, "LMDBTrigger", "ConfigTrigger"),
        (ComponentKind.CLIENT_DATA_STORE, "LMDBClientDataStore", "ConfigClientDataStore"),
    ):
        path = f"pynenc_lmdb.components:{name}"
        yield ComponentSpec(kind, name, path, "lmdb", (f"pynenc.conf.config_{kind}:{conf}", _SETTINGS))


@hookimpl
def pynenc_builder_methods() -> Iterable[BuilderMethod]:
    """What `PynencBuilder` can say of LMDB."""
    yield BuilderMethod("lmdb", "pynenc_lmdb.components:use_lmdb")
