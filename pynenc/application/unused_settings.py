"""Settings of storage families that an app does not use: most often the family was not selected."""

from __future__ import annotations

from collections.abc import Mapping, Set

from pynenc.plugins.component import ComponentSpec
from pynenc.plugins.kinds import STORES, ComponentKind
from pynenc.plugins.registry import PluginRegistry, settings_of


def unused_settings(
    registry: PluginRegistry, selected: Mapping[ComponentKind, ComponentSpec], given: Mapping[str, str]
) -> list[str]:
    """Return a warning for each family of stores that has settings and of which nothing is selected.

    Args:
        registry: The plugins.
        selected: The component of each kind of store that the settings select.
        given: The names of the settings that are given, each with its place.
    """
    used = {name for spec in selected.values() for name in _fields(spec)}
    families = {spec.alias for spec in selected.values()}
    offered: dict[str, set[ComponentKind]] = {}
    unused: dict[str, dict[str, str]] = {}
    for _, spec in registry.components():
        if spec.kind in STORES and spec.alias is not None and spec.alias not in families:
            offered.setdefault(spec.alias, set()).add(spec.kind)
            names = [name for name in _fields(spec) if name in given and name not in used]
            if names:
                unused.setdefault(spec.alias, {}).update({name: given[name] for name in names})
    return [_told(alias, names, offered[alias]) for alias, names in unused.items()]


def _told(alias: str, names: Mapping[str, str], kinds: Set[ComponentKind]) -> str:
    listed = ", ".join(f"'{name}' (from {place})" for name, place in names.items())
    setting = "backend" if len(kinds) > 1 else next(iter(kinds)).setting
    return f"nothing uses {listed}, because no component is of the family '{alias}': set {setting}='{alias}'"


def _fields(spec: ComponentSpec) -> list[str]:
    return [name for cls in settings_of(spec) for name in cls.model_fields]
