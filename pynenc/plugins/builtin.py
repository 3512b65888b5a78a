"""The components of the core, registered through the same hook as everybody's."""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from pynenc.plugins.component import ComponentSpec
from pynenc.plugins.kinds import ComponentKind

hookimpl = pluggy.HookimplMarker("pynenc")

_SQLITE = "pynenc.conf.config_sqlite:ConfigSQLite"
_RUNNER = "pynenc.conf.config_runner"


def _stores(
    kind: ComponentKind, package: str, settings: str, mem_name: str, sqlite_name: str
) -> list[ComponentSpec]:
    """The in-memory and the SQLite component of one kind."""
    own = f"pynenc.conf.config_{kind}:{settings}"
    return [
        ComponentSpec(kind, mem_name, f"pynenc.{package}:{mem_name}", "mem", (own,)),
        ComponentSpec(kind, sqlite_name, f"pynenc.{package}:{sqlite_name}", "sqlite", (own, _SQLITE)),
    ]


@hookimpl
def pynenc_components() -> Iterable[ComponentSpec]:
    """All components of the core distribution."""
    kind = ComponentKind
    yield from _stores(kind.BROKER, "broker.storage_broker", "ConfigBroker", "MemBroker", "SQLiteBroker")
    yield from _stores(
        kind.ORCHESTRATOR,
        "orchestrator.storage_orchestrator",
        "ConfigOrchestrator",
        "MemOrchestrator",
        "SQLiteOrchestrator",
    )
    yield from _stores(
        kind.STATE_BACKEND,
        "state_backend.storage_state_backend",
        "ConfigStateBackend",
        "MemStateBackend",
        "SQLiteStateBackend",
    )
    yield from _stores(
        kind.TRIGGER, "trigger.storage_trigger", "ConfigTrigger", "MemTrigger", "SQLiteTrigger"
    )
    yield from _stores(
        kind.CLIENT_DATA_STORE,
        "client_data_store.storage_client_data_store",
        "ConfigClientDataStore",
        "MemClientDataStore",
        "SQLiteClientDataStore",
    )
    own = ("pynenc.conf.config_serializer:ConfigSerializer",)
    for name, module, alias in (
        ("JsonSerializer", "json_serializer", "json"),
        ("JsonPickleSerializer", "json_pickle_serializer", "json_pickle"),
        ("PickleSerializer", "pickle_serializer", "pickle"),
    ):
        path = f"pynenc.serializer.{module}:{name}"
        yield ComponentSpec(kind.SERIALIZER, name, path, alias, own)
    for name, module, alias, settings in (
        ("DummyRunner", "external_runner", "dummy", "ConfigRunner"),
        ("ExternalRunner", "external_runner", "external", "ConfigRunner"),
        ("ThreadRunner", "thread_runner", "thread", "ConfigThreadRunner"),
        ("MultiThreadRunner", "multi_thread_runner", "multi_thread", "ConfigMultiThreadRunner"),
        ("ProcessRunner", "process_runner", "process", "ConfigProcessRunner"),
        ("AsyncRunner", "async_runner", "async", "ConfigAsyncRunner"),
        (
            "PersistentProcessRunner",
            "persistent_process_runner",
            "persistent_process",
            "ConfigPersistentProcessRunner",
        ),
    ):
        path = f"pynenc.runner.{module}:{name}"
        yield ComponentSpec(kind.RUNNER, name, path, alias, (f"{_RUNNER}:{settings}",))
