"""The components of the core, registered through the same hook as everybody's."""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from pynenc.plugins.component import CodecSpec, ComponentSpec, family_specs
from pynenc.plugins.kinds import KINDS, ComponentKind

hookimpl = pluggy.HookimplMarker("pynenc")

_SQLITE = "pynenc.conf.config_sqlite:ConfigSQLite"
_RUNNER = "pynenc.conf.config_runner"
_STORES = "pynenc.{kind}.storage_{kind}"


@hookimpl
def pynenc_codecs() -> Iterable[CodecSpec]:
    """Return the codecs of the core distribution."""
    for name, cls in (("zlib", "ZlibCodec"), ("zstd", "ZstdCodec"), ("fernet", "FernetCodec")):
        yield CodecSpec(name, f"pynenc.storage.codecs:{cls}")


@hookimpl
def pynenc_components() -> Iterable[ComponentSpec]:
    """Return all components of the core distribution."""
    kind = ComponentKind
    yield from family_specs("mem", "Mem", _STORES)
    yield from family_specs("sqlite", "SQLite", _STORES, (_SQLITE,))
    own = (KINDS[kind.SERIALIZER].settings,)
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
