"""The components and builder methods of the plugin; nothing here imports LMDB."""

from __future__ import annotations

from collections.abc import Iterable

from pynenc.plugins.component import BuilderMethod, ComponentSpec, family_specs
from pynenc.plugins.hookspecs import hookimpl


@hookimpl
def pynenc_components() -> Iterable[ComponentSpec]:
    """Return the five components that keep data."""
    return family_specs("lmdb", "LMDB", "pynenc_lmdb.components", ("pynenc_lmdb.settings:ConfigLMDB",))


@hookimpl
def pynenc_builder_methods() -> Iterable[BuilderMethod]:
    """Return what `PynencBuilder` can say of LMDB."""
    yield BuilderMethod("lmdb", "pynenc_lmdb.components:use_lmdb")
