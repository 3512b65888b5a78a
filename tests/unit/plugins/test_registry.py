"""Plugins: discovery, selection, and the one that is broken."""

from __future__ import annotations

import subprocess
import sys
import types
from typing import Any

import pytest

from pynenc.exceptions import PluginError, UnknownComponentError
from pynenc.plugins.component import ComponentSpec
from pynenc.plugins.hookspecs import hookimpl
from pynenc.plugins.kinds import ComponentKind
from pynenc.plugins.registry import PluginRegistry, import_object


class ToyPlugin:
    @hookimpl
    def pynenc_components(self) -> list[ComponentSpec]:
        return [ComponentSpec(ComponentKind.BROKER, "ToyBroker", "toy.driver:ToyBroker", "toy")]


class TwinPlugin:
    @hookimpl
    def pynenc_components(self) -> list[ComponentSpec]:
        return [ComponentSpec(ComponentKind.BROKER, "MemBroker", "twin:MemBroker")]


class WrongHook:
    @hookimpl
    def pynenc_componets(self) -> list[Any]:
        return []


@pytest.fixture
def registry() -> PluginRegistry:
    return PluginRegistry(load_entry_points=False)


@pytest.mark.parametrize("name", ["SQLiteBroker", "sqlite", "pynenc.broker.storage_broker.SQLiteBroker"])
def test_a_component_is_selected_by_name_alias_or_path(registry: PluginRegistry, name: str) -> None:
    assert registry.load(ComponentKind.BROKER, name).__name__ == "SQLiteBroker"


def test_a_family_has_all_that_store(registry: PluginRegistry) -> None:
    kinds = set(registry.family("sqlite"))
    assert kinds == set(ComponentKind) - {ComponentKind.SERIALIZER, ComponentKind.RUNNER}


def test_an_unknown_component_lists_what_is_installed(registry: PluginRegistry) -> None:
    with pytest.raises(UnknownComponentError) as caught:
        registry.load(ComponentKind.BROKER, "SqliteBroker")
    message = str(caught.value)
    for part in (
        "'broker_cls'",
        "'SqliteBroker'",
        "Did you mean 'SQLiteBroker'",
        "MemBroker (mem, from pynenc",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("name", "distribution"), [("RedisBroker", "pynenc-redis"), ("mongo", "pynenc-mongo")]
)
def test_a_known_plugin_that_is_missing_gives_the_pip_line(
    registry: PluginRegistry, name: str, distribution: str
) -> None:
    with pytest.raises(UnknownComponentError, match=f"pip install {distribution}"):
        registry.load(ComponentKind.BROKER, name)
    with pytest.raises(UnknownComponentError, match=f"pip install {distribution}"):
        registry.family(name.lower().removesuffix("broker"))


def test_a_path_that_leads_nowhere_is_a_clear_error(registry: PluginRegistry) -> None:
    with pytest.raises(UnknownComponentError, match=r"cannot be loaded: cannot import 'nowhere\.Broker'"):
        registry.load(ComponentKind.BROKER, "nowhere.Broker")
    with pytest.raises(
        UnknownComponentError,
        match="which is not a broker: it must be a subclass of",
    ):
        registry.load(ComponentKind.BROKER, "os.path.join")
    with pytest.raises(PluginError):
        import_object("nodots")


def test_plugins_are_taken_in_lazily(registry: PluginRegistry) -> None:
    registry.register(ToyPlugin(), "toy", "toy-dist", "1.2")
    assert registry.find(ComponentKind.BROKER, "toy").import_path == "toy.driver:ToyBroker"
    assert "toy" not in sys.modules


@pytest.mark.parametrize(
    ("plugin", "reason"),
    [(TwinPlugin(), "is offered by plugin 'core' already"), (WrongHook(), "pynenc_componets")],
)
def test_a_broken_plugin_is_noted_and_the_rest_goes_on(
    registry: PluginRegistry, plugin: object, reason: str
) -> None:
    registry.register(plugin, "bad", "bad-dist", "0.1")
    registry.register(ToyPlugin(), "toy")
    (broken,) = [each for each in registry.plugins if each.error]
    assert (broken.name, broken.distribution) == ("bad", "bad-dist")
    assert reason in str(broken.error)
    assert registry.find(ComponentKind.BROKER, "toy").name == "ToyBroker"
    with pytest.raises(UnknownComponentError, match="did not load: bad of bad-dist"):
        registry.find(ComponentKind.BROKER, "missing")


def test_a_plugin_whose_import_fails_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def load() -> None:
        raise ImportError("no driver here")

    distribution = types.SimpleNamespace(name="bad-dist", version="3")
    entry_point = types.SimpleNamespace(name="bad", dist=distribution, load=load)
    monkeypatch.setattr("importlib_metadata.entry_points", lambda group: [entry_point])
    registry = PluginRegistry()
    assert [each.error for each in registry.plugins] == [None, "ImportError: no driver here"]


def test_listing_components_imports_no_driver() -> None:
    code = (
        "import sys; from pynenc.plugins.registry import plugin_registry; "
        "assert len(list(plugin_registry().components())) >= 17; "
        "bad = [m for m in sys.modules if m.startswith('pynenc.runner') or 'storage_broker' in m]; "
        "assert not bad, bad"
    )
    # The package itself imports the app, so the registry is imported from below it.
    prepare = "import types, sys, importlib.util; p = types.ModuleType('pynenc'); "
    prepare += "p.__path__ = importlib.util.find_spec('pynenc').submodule_search_locations; "
    prepare += "sys.modules['pynenc'] = p; "
    subprocess.run([sys.executable, "-c", prepare + code], check=True)
