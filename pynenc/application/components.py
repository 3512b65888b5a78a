"""Builds the components of an app as its settings say, each at its first use."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable, Sequence
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar, cast, overload

from pynenc.application.sealing import make_seal, seal_component
from pynenc.application.unused_settings import unused_settings
from pynenc.broker.base_broker import BaseBroker
from pynenc.client_data_store.base_client_data_store import BaseClientDataStore
from pynenc.conf.base_config import PynencConfig
from pynenc.conf.config_observation import Observation
from pynenc.conf.config_pynenc import ConfigPynenc
from pynenc.conf.config_runner import ConfigRunner
from pynenc.conf.loader import SettingsLoader
from pynenc.context import external_runner
from pynenc.lifecycle.components import Components, Serving
from pynenc.lifecycle.hooks import LifeCycleHooks
from pynenc.lifecycle.outages import Outages
from pynenc.lifecycle.progress import ProgressReports
from pynenc.lifecycle.runner_registry import RunnerRegistry
from pynenc.lifecycle.values import ValueCodec
from pynenc.orchestrator.base_orchestrator import BaseOrchestrator
from pynenc.plugins.component import Component, ComponentContext, DataComponent
from pynenc.plugins.kinds import KINDS, STORES, ComponentKind
from pynenc.plugins.registry import PluginRegistry, import_object
from pynenc.recording.recorder import Recorder
from pynenc.scheduler.catalog import KnowsCode, TriggerCatalog
from pynenc.serializer.base_serializer import BaseSerializer
from pynenc.state_backend.base_state_backend import BaseStateBackend
from pynenc.storage.sealing import Seal
from pynenc.trigger.base_trigger import BaseTrigger

C = TypeVar("C", bound=PynencConfig)
T = TypeVar("T")
K = TypeVar("K", bound=Component)


class ComponentFactoryContext(ComponentContext):
    """The context that the components of one app are built with."""

    def __init__(self, loader: SettingsLoader, app_id: str, logger: logging.Logger) -> None:
        self._loader = loader
        self._shared: dict[Hashable, Any] = {}
        self._lock = threading.RLock()
        self.app_id = app_id
        self.logger = logger

    def settings(self, cls: type[C]) -> C:
        return self._loader.load(cls)

    def shared(self, key: Hashable, make: Callable[[], T]) -> T:
        with self._lock:
            if key not in self._shared:
                self._shared[key] = make()
            return cast(T, self._shared[key])


class ComponentProvider:
    """The components of one app."""

    def __init__(
        self,
        loader: SettingsLoader,
        registry: PluginRegistry,
        conf: ConfigPynenc,
        logger: logging.Logger,
        code: KnowsCode,
        on_replaced: Callable[[], None],
        on_serializer: Callable[[BaseSerializer], None],
        serving: Serving,
        is_for_tests: bool = False,
    ) -> None:
        self._loader = loader
        self._registry = registry
        self._conf = conf
        self._logger = logger
        self._lock = threading.RLock()
        self._built: dict[ComponentKind, Component] = {}
        self._made: Components | None = None
        self._on_replaced = on_replaced
        self._on_serializer = on_serializer
        self._serving = serving
        self._is_for_tests = is_for_tests
        self.context = ComponentFactoryContext(loader, conf.app_id, logger)
        self.hooks = LifeCycleHooks(registry.manager, conf.app_id)
        self.catalog = TriggerCatalog(self._trigger, code)

    def selected(self, kind: ComponentKind) -> str:
        """Return the name, alias or path that the settings select."""
        name: str = getattr(self._conf, kind.setting)
        backend = self._conf.backend
        if backend is None or self._conf.is_given(kind.setting):
            return name
        spec = self._registry.family(backend).get(kind)
        return spec.name if spec else name

    def component_class(self, kind: ComponentKind) -> type[Component]:
        """Return the class that the settings select.

        Raises:
            UnknownComponentError: It is not installed.
        """
        return self._registry.load(kind, self.selected(kind))

    def get(self, kind: ComponentKind) -> Component:
        """Return the component, built at its first use."""
        found = self._built.get(kind)
        if found is None:
            with self._lock:
                found = self._built.get(kind)
                if found is None:
                    found = self.component_class(kind)(self.context)
                    self._prepare(found)
                    self._built[kind] = found
        return found

    @cached_property
    def seal(self) -> Seal:
        """The seal of the records that carry user data."""
        return make_seal(self._loader, self._conf.app_id, self._registry)

    @property
    def signs(self) -> bool:
        """True if records are signed."""
        return self.seal.signs

    def _prepare(self, component: Component) -> None:
        """Have a store seal its records, and tell a serializer what the app and the plugins let it carry."""
        if isinstance(component, DataComponent):
            seal_component(component, self.seal)
        if not isinstance(component, BaseSerializer):
            return
        self._on_serializer(component)
        for spec in self._registry.converters():
            component.register_path(spec.cls, _late(spec.to_plain), _late(spec.from_plain))

    def put(self, kind: ComponentKind, component: Component) -> None:
        """Use this component from now on."""
        self._prepare(component)
        with self._lock:
            self._built[kind] = component
        self.remake()

    def remake(self) -> None:
        """Make `components` anew at its next use."""
        self._made = None
        self._on_replaced()

    def renew(self) -> None:
        """Be ready for a new process: a thread that is not there may have held the lock."""
        self._lock = threading.RLock()
        self.remake()

    def is_built(self, kind: ComponentKind) -> bool:
        """Return whether the component is in use already."""
        return kind in self._built

    @property
    def components(self) -> Components:
        """The components, as the rules of an invocation's life use them; remade when one is replaced."""
        with self._lock:
            if self._made is not None:
                return self._made
            if alone := self.partly_in_memory():
                self._logger.warning("%s", alone)
            for unused in () if self._is_for_tests else self.unused_settings():
                self._logger.warning("%s", unused)
            kind = ComponentKind
            serializer = cast(BaseSerializer, self.get(kind.SERIALIZER))
            store = cast(BaseClientDataStore, self.get(kind.CLIENT_DATA_STORE))
            orchestrator = cast(BaseOrchestrator, self.get(kind.ORCHESTRATOR))
            state_backend = cast(BaseStateBackend, self.get(kind.STATE_BACKEND))
            _follow_retention(orchestrator, store, state_backend)
            is_on = self._conf.observation != Observation.OFF
            # A new one in a forked child, whose parent goes on.
            self.hooks.recorder = recorder = Recorder(is_on)
            self._made = Components(
                self._conf.app_id,
                self._conf,
                orchestrator,
                cast(BaseBroker, self.get(kind.BROKER)),
                state_backend,
                self._trigger(),
                ValueCodec(serializer, store, self._announce_values, orchestrator.now),
                self.hooks,
                self._logger,
                RunnerRegistry(orchestrator, state_backend),
                external_runner(),
                orchestrator.now,
                self._loader.load(ConfigRunner).invocation_wait_results_sleep_time_sec,
                self.catalog,
                self._serving,
                recorder,
                Outages(self._logger),
                ProgressReports(state_backend, self._logger),
            )
            return self._made

    def partly_in_memory(self) -> str | None:
        """Return a warning if some components are in memory, others are shared, and that is not meant."""
        alone = [each for each in STORES if not self.component_class(each).shared_between_processes]
        if not alone or len(alone) == len(STORES) or self._conf.allow_partly_in_memory:
            return None
        named = ", ".join(f"{each.setting}={self.selected(each)}" for each in alone)
        return (
            f"some components of app '{self._conf.app_id}' are shared and others are in the memory of this "
            f"process, so what they keep is lost for all other processes: {named}. Set 'backend' to choose "
            f"all of one family, or 'allow_partly_in_memory' if it is meant"
        )

    def unused_settings(self) -> list[str]:
        """Return a warning for each family of stores that has settings and is not selected."""
        selected = {kind: self._registry.find(kind, self.selected(kind)) for kind in STORES}
        return unused_settings(self._registry, selected, self._loader.given())

    def _announce_values(self, value_ids: Sequence[str], settled_at: float) -> None:
        """Note large values, to be looked at when the first calls that refer to them may be deleted."""
        orchestrator = cast(BaseOrchestrator, self.get(ComponentKind.ORCHESTRATOR))
        keep_s = orchestrator.conf.auto_final_invocation_purge_hours * 3600
        state_backend = cast(BaseStateBackend, self.get(ComponentKind.STATE_BACKEND))
        state_backend.announce_values(value_ids, settled_at + keep_s)

    def purge(self) -> None:
        """Delete everything that the components keep of the app."""
        for kind in STORES:
            cast(DataComponent, self.get(kind)).purge()
        if self._made is not None:
            self._made.runners.registered.clear()
        self._trigger().notify_defined()

    def _trigger(self) -> BaseTrigger:
        return cast(BaseTrigger, self.get(ComponentKind.TRIGGER))

    def close(self) -> None:
        """Release what the components hold open."""
        with self._lock:
            for component in self._built.values():
                component.close()


def _follow_retention(
    orchestrator: BaseOrchestrator, store: BaseClientDataStore, state_backend: BaseStateBackend
) -> None:
    """Keep what belongs to invocations no longer than they are kept, where the settings do not say so."""
    hours = orchestrator.conf.auto_final_invocation_purge_hours
    if hours and not store.conf.is_given("sharing_window_minutes"):
        store.conf.sharing_window_minutes = min(store.conf.sharing_window_minutes, max(hours * 60, 1 / 60))
    if hours and not state_backend.conf.is_given("runner_retention_hours"):
        state_backend.conf.runner_retention_hours = min(state_backend.conf.runner_retention_hours, hours)


def _late(path: str) -> Callable[[Any], Any]:
    """Return a function that is imported when it is called for the first time."""
    return lambda value: cast("Callable[[Any], Any]", import_object(path))(value)


class HasComponents(Protocol):
    """An app, as far as its component properties need to know it."""

    @property
    def component_provider(self) -> ComponentProvider:
        """The provider of the app's components."""


class ComponentProperty(Generic[K]):
    """A component as an attribute of the app: made at its first use, and settable."""

    def __init__(self, kind: ComponentKind) -> None:
        self._kind = kind
        self.__doc__ = f"The {kind.replace('_', ' ')}."

    @overload
    def __get__(self, app: None, owner: type) -> ComponentProperty[K]: ...

    @overload
    def __get__(self, app: HasComponents, owner: type) -> K: ...

    def __get__(self, app: HasComponents | None, owner: type) -> K | ComponentProperty[K]:
        if app is None:
            return self
        return cast(K, app.component_provider.get(self._kind))

    def __set__(self, app: HasComponents, component: K) -> None:
        base = import_object(KINDS[self._kind].base)
        if not isinstance(component, cast("type[Any]", base)):
            raise TypeError(f"{component!r} is not a {self._kind.words}")
        app.component_provider.put(self._kind, component)
