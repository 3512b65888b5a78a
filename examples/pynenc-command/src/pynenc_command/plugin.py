"""What the plugin offers."""

from __future__ import annotations

from collections.abc import Iterable

from pynenc.plugins.component import BuilderMethod, ComponentSpec
from pynenc.plugins.hookspecs import hookimpl
from pynenc.plugins.kinds import ComponentKind


@hookimpl
def pynenc_components() -> Iterable[ComponentSpec]:
    """Return the runner."""
    settings = "pynenc_command.settings:ConfigCommandRunner"
    yield ComponentSpec(
        ComponentKind.RUNNER, "CommandRunner", "pynenc_command.runner:CommandRunner", "command", (settings,)
    )


@hookimpl
def pynenc_builder_methods() -> Iterable[BuilderMethod]:
    """Return the method that selects it."""
    yield BuilderMethod("command_runner", "pynenc_command.settings:command_runner")
