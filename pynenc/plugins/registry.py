"""The plugins of this process and the components that they offer."""

from __future__ import annotations

import difflib
import importlib
import logging
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType
from urllib.parse import quote

import importlib_metadata
import pluggy

from pynenc.conf.base_config import PynencConfig
from pynenc.conf.config_monitor import ConfigMonitor
from pynenc.conf.config_pynenc import ConfigPynenc
from pynenc.conf.config_sealing import ConfigSealing
from pynenc.conf.config_task import ConfigTask
from pynenc.conf.elsewhere import KNOWN_PLUGINS
from pynenc.exceptions import PluginError, UnknownComponentError
from pynenc.plugins import builtin, hookspecs
from pynenc.plugins.component import (
    BuilderMethod,
    CodecSpec,
    CommandSpec,
    Component,
    ComponentSpec,
    ConverterSpec,
)
from pynenc.plugins.kinds import KINDS, ComponentKind

logger = logging.getLogger("pynenc.plugins")

ENTRY_POINT_GROUP = "pynenc.plugins"
CORE_DISTRIBUTION = "pynenc"

ALIASES = {"memory": "mem"}
"""Other spellings of aliases."""


@dataclass(frozen=True, slots=True)
class LoadedPlugin:
    """A plugin and where it comes from.

    Attributes:
        name: Name of the entry point.
        distribution: Name of the installed distribution.
        version: Its version.
        error: Why it could not be used, or None.
        components: What it offers.
    """

    name: str
    distribution: str
    version: str
    error: str | None
    components: tuple[ComponentSpec, ...] = ()


def import_object(path: str) -> object:
    """Import `package.module:Name` (or `package.module.Name`).

    Raises:
        PluginError: There is no such module or name.
    """
    module, _, name = path.rpartition(":") if ":" in path else path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise PluginError(f"cannot import '{path}': {error}") from error


class PluginRegistry:
    """Loads plugins and answers what they offer."""

    def __init__(self, load_entry_points: bool = True) -> None:
        self.manager = pluggy.PluginManager(hookspecs.PROJECT)
        self.manager.add_hookspecs(hookspecs)
        self.plugins: list[LoadedPlugin] = []
        self.register(builtin, "core", CORE_DISTRIBUTION, version_of(CORE_DISTRIBUTION))
        if load_entry_points:
            self._load_entry_points()

    def _load_entry_points(self) -> None:
        for entry_point in importlib_metadata.entry_points(group=ENTRY_POINT_GROUP):
            distribution = entry_point.dist.name if entry_point.dist else "unknown"
            version = entry_point.dist.version if entry_point.dist else "unknown"
            try:
                plugin = entry_point.load()
            except Exception as error:  # noqa: BLE001 - one broken plugin must not stop the rest
                self._broken(entry_point.name, distribution, version, error)
            else:
                self.register(plugin, entry_point.name, distribution, version)

    def register(
        self, plugin: ModuleType | object, name: str, distribution: str = "local", version: str = "0"
    ) -> None:
        """Take in a plugin; if it is broken, that is noted and the rest goes on."""
        try:
            self.manager.register(plugin, name)
            self.manager.check_pending()
            self._check_components(plugin)
        except Exception as error:  # noqa: BLE001 - one broken plugin must not stop the rest
            if self.manager.is_registered(plugin):
                self.manager.unregister(plugin)
            self._broken(name, distribution, version, error)
            return
        specs = tuple(_specs_of(plugin))
        self.plugins.append(LoadedPlugin(name, distribution, version, None, specs))

    def use(self, middleware: object, app_id: str) -> None:
        """Call the hooks of an object for one app; doing it again changes nothing.

        Raises:
            PluginError: It implements no hook, or not as the hook is.
        """
        prefix = own_prefix(app_id)
        known = [plugin for name, plugin in self.manager.list_name_plugin() if name.startswith(prefix)]
        if any(each is middleware for each in known):
            return
        kind = type(middleware).__name__
        if middleware is None:
            raise PluginError("None implements no hook")
        try:
            name = self.manager.register(middleware, f"{prefix}{kind}-{len(known)}")
            self.manager.check_pending()
        except Exception as error:
            if self.manager.is_registered(middleware):
                self.manager.unregister(middleware)
            raise PluginError(f"{kind} cannot be used: {error}") from error
        if name is None or not self.manager.get_hookcallers(middleware):
            self.manager.unregister(middleware)
            raise PluginError(f"{kind} implements no hook: mark its methods with 'pynenc.hookimpl'")

    def forget(self, app_id: str) -> None:
        """Call the hooks of one app no more."""
        for name, plugin in self.manager.list_name_plugin():
            if name.startswith(own_prefix(app_id)):
                self.manager.unregister(plugin)

    def _check_components(self, plugin: object) -> None:
        present = {(spec.kind, spec.name): owner.name for owner, spec in self.components()}
        for spec in _specs_of(plugin):
            if not isinstance(spec, ComponentSpec):
                raise PluginError(f"pynenc_components must give ComponentSpec, not {spec!r}")
            other = present.get((spec.kind, spec.name))
            if other is not None:
                raise PluginError(f"the {spec.kind} '{spec.name}' is offered by plugin '{other}' already")

    def _broken(self, name: str, distribution: str, version: str, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        logger.warning("plugin '%s' of %s %s was not loaded: %s", name, distribution, version, reason)
        self.plugins.append(LoadedPlugin(name, distribution, version, reason))

    # --- what there is -----------------------------------------------------------------

    def components(self) -> Iterator[tuple[LoadedPlugin, ComponentSpec]]:
        """Return every component with the plugin that offers it."""
        for plugin in self.plugins:
            for spec in plugin.components:
                yield plugin, spec

    def find(self, kind: ComponentKind, name: str) -> ComponentSpec:
        """Return the component selected by class name, alias or dotted path.

        Raises:
            UnknownComponentError: It is not installed; lists what is.
        """
        specs = [(plugin, spec) for plugin, spec in self.components() if spec.kind == kind]
        for _, spec in specs:
            if name in (spec.name, spec.alias) or ALIASES.get(name) == spec.alias:
                return spec
        if _is_path(name):
            return ComponentSpec(kind, name.replace(":", ".").rpartition(".")[2], name)
        raise UnknownComponentError(self._unknown(kind, name, specs))

    def load(self, kind: ComponentKind, name: str) -> type[Component]:
        """Import the component class that `find` selects.

        Raises:
            UnknownComponentError: It is not installed, cannot be imported or is not of this kind.
        """
        spec = self.find(kind, name)
        try:
            found = import_object(spec.import_path)
        except PluginError as error:
            raise UnknownComponentError(
                f"setting '{kind.setting}' selects '{name}', but it cannot be loaded: {error}"
            ) from error
        base = import_object(KINDS[kind].base)
        if not (isinstance(found, type) and issubclass(found, Component) and issubclass(found, base)):  # type: ignore[arg-type]
            raise UnknownComponentError(
                f"setting '{kind.setting}' selects '{name}', which is not a {kind.words}: it must be a "
                f"subclass of {KINDS[kind].base.replace(':', '.')}"
            )
        return found

    def family(self, alias: str) -> dict[ComponentKind, ComponentSpec]:
        """Return the components that share an alias.

        Raises:
            UnknownComponentError: No storage family has this alias; lists those there are.
        """
        known = ALIASES.get(alias, alias)
        found = {spec.kind: spec for _, spec in self.components() if spec.alias == known}
        if not any(KINDS[kind].keeps_data for kind in found):
            families = sorted({spec.alias for _, spec in self.components() if spec.alias and _stores(spec)})
            raise UnknownComponentError(
                f"setting 'backend' is '{alias}', but no installed plugin offers that backend; "
                f"installed: {', '.join(families)}.{_install_hint(alias)}{self._broken_hint()}"
            )
        return found

    def _unknown(
        self, kind: ComponentKind, name: str, specs: list[tuple[LoadedPlugin, ComponentSpec]]
    ) -> str:
        names = [known for _, spec in specs for known in (spec.name, spec.alias) if known]
        near = difflib.get_close_matches(name, names, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        listed = ", ".join(
            f"{spec.name} ({spec.alias}, from {plugin.distribution} {plugin.version})"
            for plugin, spec in specs
        )
        return (
            f"setting '{kind.setting}' is '{name}', but no such {kind.words} is installed."
            f"{hint} Installed: {listed}.{_install_hint(name)}{self._broken_hint()}"
        )

    def _broken_hint(self) -> str:
        broken = [plugin for plugin in self.plugins if plugin.error]
        if not broken:
            return ""
        reasons = "; ".join(f"{plugin.name} of {plugin.distribution}: {plugin.error}" for plugin in broken)
        return f" Plugins that did not load: {reasons}."

    def settings_classes(self) -> list[type[PynencConfig]]:
        """Return every settings class that a loaded plugin declares."""
        return list(dict.fromkeys(cls for _, spec in self.components() for cls in settings_of(spec)))

    def known_settings(self, conf: ConfigPynenc | None = None) -> list[type[PynencConfig]]:
        """Return every settings class there is, those of apps and tasks first.

        Args:
            conf: Settings of an app. Components that they name by a dotted path are imported, and the
                settings of these are known as well.
        """
        named = [] if conf is None else [(kind, getattr(conf, kind.setting)) for kind in ComponentKind]
        classes: list[type[PynencConfig]] = [ConfigPynenc, ConfigSealing, ConfigTask, ConfigMonitor]
        classes += self.settings_classes()
        for kind, name in named:
            found = self._settings_by_path(kind, name) if name and _is_path(name) else None
            if found is not None:
                classes.append(found)
        return list(dict.fromkeys(classes))

    def _settings_by_path(self, kind: ComponentKind, name: str) -> type[PynencConfig] | None:
        """Return the settings class of a component; None if it cannot be imported, which its use tells."""
        try:
            return self.load(kind, name).config_class
        except UnknownComponentError:
            return None

    def builder_methods(self) -> dict[str, BuilderMethod]:
        """Return methods that plugins add to the builder, by name."""
        offered: list[Iterable[BuilderMethod]] = self.manager.hook.pynenc_builder_methods()
        return {method.name: method for methods in offered for method in methods}

    def converters(self) -> list[ConverterSpec]:
        """Return how serializers carry the objects of further classes."""
        offered: list[Iterable[ConverterSpec]] = self.manager.hook.pynenc_converters()
        return [converter for converters in offered for converter in converters]

    def codecs(self) -> list[CodecSpec]:
        """Return the codecs of the core and of plugins."""
        offered: list[Iterable[CodecSpec]] = self.manager.hook.pynenc_codecs()
        return [codec for codecs in offered for codec in codecs]

    def commands(self) -> dict[str, CommandSpec]:
        """Return commands that plugins add to the command line, by name."""
        offered: list[Iterable[CommandSpec]] = self.manager.hook.pynenc_cli_commands()
        return {command.name: command for commands in offered for command in commands}


OF_APP = "app:"
"""What the names of plugins begin with that belong to one app."""


def own_prefix(app_id: str) -> str:
    """Return what the names of the plugins of one app begin with."""
    return f"{OF_APP}{quote(app_id, safe='')}:"


def settings_of(spec: ComponentSpec) -> list[type[PynencConfig]]:
    """Return the settings classes that a component reads."""
    found = [import_object(path) for path in dict.fromkeys(spec.settings)]
    return [cls for cls in found if isinstance(cls, type) and issubclass(cls, PynencConfig)]


def _specs_of(plugin: object) -> Iterable[ComponentSpec]:
    hook = getattr(plugin, "pynenc_components", None)
    return tuple(hook()) if hook is not None else ()


def _stores(spec: ComponentSpec) -> bool:
    return KINDS[spec.kind].keeps_data


def _install_hint(name: str) -> str:
    for alias, distribution in KNOWN_PLUGINS.items():
        if name.lower().startswith(alias):
            return f" Install it with: pip install {distribution}."
    return ""


def version_of(distribution: str) -> str:
    """Return the version of an installed distribution."""
    try:
        return importlib_metadata.version(distribution)
    except importlib_metadata.PackageNotFoundError:
        return "not installed"


_registry: PluginRegistry | None = None
_registry_lock = threading.Lock()


def plugin_registry() -> PluginRegistry:
    """Return the registry of this process; entry points are read at the first use."""
    global _registry
    with _registry_lock:
        if _registry is None:
            _registry = PluginRegistry()
        return _registry


def _is_path(name: str) -> bool:
    """Return whether a component is named by its dotted path."""
    return "." in name or ":" in name
