"""Helpers of the suites over installed components: which component, and an app with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pynenc.app import Pynenc
from pynenc.plugins.component import Component, ComponentSpec
from pynenc.plugins.kinds import ComponentKind
from pynenc.plugins.registry import ALIASES, plugin_registry


def named(config: pytest.Config, kind: str) -> str:
    """Return the component that the command line names, or end the run."""
    name: str | None = config.getoption(f"--pynenc-{kind}")
    if not name:
        pytest.exit(
            f"say which {kind} to prove: pytest --pyargs pynenc.testing --pynenc-{kind} NAME", returncode=4
        )
    return name


def class_of(kind: ComponentKind, name: str) -> type[Component]:
    """Return the class of a component, by its name or alias, or end the run."""
    for _, spec in plugin_registry().components():
        if spec.kind == kind and ALIASES.get(name, name) in (spec.name, spec.alias):
            return plugin_registry().load(kind, spec.name)
    pytest.exit(f"no installed plugin offers a {kind.words} '{name}'", returncode=4)


def specs_of(alias: str) -> dict[ComponentKind, ComponentSpec]:
    """Return all components that share an alias."""
    known = ALIASES.get(alias, alias)
    return {spec.kind: spec for _, spec in plugin_registry().components() if spec.alias == known}


class OwnFolder:
    """Runs each test in a folder of its own, and forgets the apps that it has made."""

    @pytest.fixture(autouse=True)
    def own_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """A file that a component makes by default does not stay."""
        monkeypatch.chdir(tmp_path)
        for name in ("backend", *(kind.setting for kind in ComponentKind)):
            # The environment says where the component stands, and not which one is under test.
            monkeypatch.delenv(f"PYNENC__{name.upper()}", raising=False)
        before = set(Pynenc._instances)
        yield
        for app_id in set(Pynenc._instances) - before:
            Pynenc.discard(app_id)
