"""The application object: its identity, its settings, its components and its tasks."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

from pynenc.app_info import AppInfo, calling_module
from pynenc.application.components import ComponentProperty, ComponentProvider
from pynenc.application.handles import register_handles
from pynenc.application.invocation_api import InvocationApi
from pynenc.application.invocations import InvocationFinder
from pynenc.application.serving import AppServing
from pynenc.application.task_api import TaskApi
from pynenc.application.task_registry import TaskRegistry
from pynenc.broker.base_broker import BaseBroker
from pynenc.calls import habits
from pynenc.calls.habits import AnswersHabits
from pynenc.calls.inline_records import InlineRecords
from pynenc.client_data_store.base_client_data_store import BaseClientDataStore
from pynenc.conf.base_config import settings_in
from pynenc.conf.config_pynenc import ConfigPynenc
from pynenc.conf.loader import SettingsLoader
from pynenc.context import running_runner
from pynenc.exceptions import ConfigError
from pynenc.lifecycle.components import Components
from pynenc.logs import app_logger
from pynenc.orchestrator.base_orchestrator import BaseOrchestrator
from pynenc.plugins.kinds import ComponentKind
from pynenc.plugins.registry import plugin_registry
from pynenc.scheduler.catalog import TriggerCatalog
from pynenc.serializer.base_serializer import BaseSerializer
from pynenc.state_backend.base_state_backend import BaseStateBackend
from pynenc.trigger.base_trigger import BaseTrigger

if TYPE_CHECKING:
    from pynenc.runner.base_runner import BaseRunner


def _new_pynenc(
    cls: type[Pynenc], config_values: dict[str, Any] | None, config_filepath: str | None
) -> Pynenc:
    """Rebuild an app from a pickle.

    The instance is registered before anything else is unpickled, so that a module which makes
    the app when it is imported gets this very instance.
    """
    loader = SettingsLoader(config_values, config_filepath)
    app_id = loader.load(ConfigPynenc).app_id
    with cls._lock:
        existing = cls._instances.get(app_id)
        if existing is not None:
            return existing
        instance = object.__new__(cls)
        cls._instances[app_id] = instance
    instance._set_up(app_id, config_values, config_filepath, loader)
    instance._restored = True
    return instance


class Pynenc(TaskApi, InvocationApi, AnswersHabits):
    """An application: its settings, its components and its tasks.

    There is one instance for each `app_id` in a process. Components are made at their first use,
    as the settings say; with no settings they live in the memory of this process, which is for
    tests and for trying things out.

    Args:
        config_values: Settings, in the shape of a settings file, such as `{"app_id": "my_app"}`.
        config_filepath: A YAML, TOML or JSON file with settings.

    Raises:
        ConfigError: A setting is unknown or wrong, or an app with this id and other settings
            exists in the process already.
    """

    _habits = habits.APP
    _instances: ClassVar[dict[str, Pynenc]] = {}
    _lock: ClassVar[threading.RLock] = threading.RLock()
    _restored: bool = False

    def __new__(
        cls, config_values: dict[str, Any] | None = None, config_filepath: str | None = None
    ) -> Pynenc:
        loader = SettingsLoader(config_values, config_filepath)
        app_id = loader.load(ConfigPynenc).app_id
        with cls._lock:
            existing = cls._instances.get(app_id)
            if existing is not None:
                existing._check_same(config_values, config_filepath)
                return existing
            instance = super().__new__(cls)
            instance._set_up(app_id, config_values, config_filepath, loader)
            cls._instances[app_id] = instance
            return instance

    def _set_up(
        self,
        app_id: str,
        config_values: dict[str, Any] | None,
        config_filepath: str | None,
        loader: SettingsLoader,
    ) -> None:
        self._app_id = app_id
        self._config_values = config_values
        self._config_filepath = config_filepath
        self._module = calling_module()
        self._registry = plugin_registry()
        self.settings_loader = loader
        self.task_registry = TaskRegistry(self, lambda: self._module)
        self.serving = AppServing(self)
        self._inline_records = InlineRecords()
        self.invocation_finder = InvocationFinder(
            lambda: self.conf, lambda: self.components, self.find_task, self._inline_records
        )
        self._environment = settings_in(os.environ)
        self._is_in_use = False
        self._start()

    def _start(self) -> None:
        self._conf = conf = self.settings_loader.load(ConfigPynenc)
        self.settings_loader.check_names(lambda: self._registry.known_settings(conf))
        self._logger = app_logger(self._conf)
        self._provider = self._new_provider()

    def _new_provider(self, is_for_tests: bool = False) -> ComponentProvider:
        return ComponentProvider(
            self.settings_loader,
            self._registry,
            self._conf,
            self._logger,
            self.task_registry,
            self._forget_components,
            self._prepare_serializer,
            self.serving,
            is_for_tests,
        )

    def _prepare_serializer(self, serializer: BaseSerializer) -> None:
        register_handles(serializer, self, self._instances.get)
        serializer.allows_main = self.serving.is_all_in_memory

    def _forget_components(self) -> None:
        self.__dict__.pop("components", None)

    def _use(self) -> None:
        """Read the settings again if the environment has changed before the first use."""
        with self._lock:
            if self._is_in_use:
                return
            if settings_in(os.environ) != self._environment:
                self.settings_loader = SettingsLoader(self._config_values, self._config_filepath)
                self._start()
                self._conf.app_id = self._app_id
            self._is_in_use = True

    def _check_same(self, config_values: dict[str, Any] | None, config_filepath: str | None) -> None:
        """Refuse a second app with the same id and other settings."""
        asks_by_id = config_filepath is None and not set(config_values or {}) - {"app_id"}
        if not config_values and config_filepath is None:
            self._warn_of_two(calling_module())
        same = (config_values, config_filepath) == (self._config_values, self._config_filepath)
        if not (self._restored or asks_by_id or same):
            raise ConfigError(
                f"an app '{self._app_id}' exists in this process with other settings. Give this one "
                f"another 'app_id', or call Pynenc.discard('{self._app_id}') first."
            )

    def _warn_of_two(self, module: str | None) -> None:
        """Warn if another module makes an app without an id, too, because both get this one."""
        if module != self._module and not self._restored and not self._conf.is_given("app_id"):
            self._logger.warning(
                "modules '%s' and '%s' both make an app without an 'app_id', so they share the tasks, queues "
                "and results of app '%s': import the app of one in the other, or give each an 'app_id'",
                self._module,
                module,
                self._app_id,
            )

    @classmethod
    def discard(cls, app_id: str) -> None:
        """Close an app of this process and forget it; what it stored stays."""
        with cls._lock:
            instance = cls._instances.pop(app_id, None)
        if instance is not None:
            instance.close()
            instance._registry.forget(app_id)

    @classmethod
    def from_info(cls, app_info: AppInfo) -> Pynenc:
        """Return the app that an `AppInfo` describes.

        Its module is imported if it can be, so that the tasks are known as well.

        Raises:
            ConfigError: The module's variable holds no app.
        """
        existing = cls._instances.get(app_info.app_id)
        if existing is not None:
            return existing
        if app_info.module and app_info.app_variable and app_info.module != "__main__":
            found = getattr(importlib.import_module(app_info.module), app_info.app_variable, None)
            if not isinstance(found, Pynenc):
                raise ConfigError(
                    f"'{app_info.app_variable}' of module '{app_info.module}' holds no Pynenc app"
                )
            return found
        values = {"app_id": app_info.app_id, **(app_info.config_values or {})}
        return cls(values, app_info.config_filepath)

    @property
    def info(self) -> AppInfo:
        """A description of the app, good enough to build it elsewhere."""
        module = sys.modules.get(self._module or "")
        variable = (
            next((name for name, value in vars(module).items() if value is self), None) if module else None
        )
        return AppInfo(self._app_id, self._module, variable, self._config_values, self._config_filepath)

    @property
    def runs_here(self) -> bool:
        """True if calls run in this process: at once, or in the embedded runner."""
        return self.conf.dev_mode_force_sync_tasks or self.serving.is_embedded

    # --- pickling ----------------------------------------------------------------------

    def __reduce__(self) -> tuple[Any, ...]:
        recipe = (type(self), self._config_values, self._config_filepath)
        return _new_pynenc, recipe, self.__getstate__()

    def __getstate__(self) -> dict[str, Any]:
        """Return what a child process needs beside the settings."""
        return {"module": self._module}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over what came with a pickle; an app that lives here already keeps its own."""
        if self._restored and self._module is None:
            self._module = state["module"]

    def use(self, *middleware: object) -> None:
        """Have objects with methods marked `@hookimpl` called for this app; see `pynenc.plugins.hookspecs`.

        Raises:
            PluginError: An object has no such method, or one that does not fit its hook.
        """
        for each in middleware:
            self._registry.use(each, self._app_id)

    # --- settings and components -------------------------------------------------------

    @property
    def config_values(self) -> dict[str, Any] | None:
        """The settings that were given in code."""
        return self._config_values

    @property
    def config_filepath(self) -> str | None:
        """The settings file that was given in code."""
        return self._config_filepath

    @property
    def app_id(self) -> str:
        """The id, which all stored data carries."""
        return self._app_id

    @cached_property
    def conf(self) -> ConfigPynenc:
        """The effective settings; assigning to a field works for components not yet made."""
        if not self._is_in_use:
            self._use()
        return self._conf

    @property
    def logger(self) -> logging.Logger:
        """The logger of the app."""
        if not self._is_in_use:
            self._use()
        return self._logger

    @logger.setter
    def logger(self, logger: logging.Logger) -> None:
        if not self._is_in_use:
            self._use()
        self._logger = logger

    @property
    def component_provider(self) -> ComponentProvider:
        """The provider of single components, for faces and runners."""
        if not self._is_in_use:
            self._use()
        return self._provider

    @cached_property
    def components(self) -> Components:
        """The components, as the rules of an invocation's life use them; remade when one is replaced."""
        return self.component_provider.components

    broker = ComponentProperty[BaseBroker](ComponentKind.BROKER)
    orchestrator = ComponentProperty[BaseOrchestrator](ComponentKind.ORCHESTRATOR)
    state_backend = ComponentProperty[BaseStateBackend](ComponentKind.STATE_BACKEND)
    trigger = ComponentProperty[BaseTrigger](ComponentKind.TRIGGER)
    serializer = ComponentProperty[BaseSerializer](ComponentKind.SERIALIZER)
    client_data_store = ComponentProperty[BaseClientDataStore](ComponentKind.CLIENT_DATA_STORE)

    @property
    def runner(self) -> BaseRunner:
        """The runner of this context, or else the one that the settings select.

        Inside a runner's worker it is that worker's own runner.
        """
        running = running_runner.get()
        if running is not None and running.app_id == self._app_id:
            return cast("BaseRunner", running)
        runner = cast("BaseRunner", self.component_provider.get(ComponentKind.RUNNER))
        runner.attach(self)
        return runner

    @runner.setter
    def runner(self, runner: BaseRunner) -> None:
        self.component_provider.put(ComponentKind.RUNNER, runner)

    @property
    def catalog(self) -> TriggerCatalog:
        """The triggers that this process knows."""
        return self.component_provider.catalog

    @property
    def inline_records(self) -> InlineRecords:
        """The records of invocations that ran inline."""
        return self._inline_records

    def _reset_cached_components(self) -> None:
        """Close all components; they are made again at their next use."""
        self.serving.stop()
        self.component_provider.close()
        self._forget_components()
        self._provider = self._new_provider()

    @contextmanager
    def other_settings(self, settings: Mapping[str, object]) -> Iterator[None]:
        """Use other settings of `ConfigPynenc`, and components of their own, inside the block; for tests.

        Raises:
            ConfigError: A setting is unknown or wrong.
        """
        conf, provider = self.conf, self.component_provider
        other = conf.model_copy(deep=True)
        for name, value in settings.items():
            setattr(other, name, value)
        self.serving.stop()
        self._take(other)
        self._provider = self._new_provider(is_for_tests=True)
        try:
            yield
        finally:
            self.close()
            self._take(conf)
            self._provider = provider

    def _take(self, conf: ConfigPynenc) -> None:
        self.__dict__.pop("conf", None)
        self._forget_components()
        self._conf = conf

    def close(self) -> None:
        """Stop the embedded runner and release connections; the next use opens them again."""
        self.serving.stop()
        self._provider.close()

    def purge(self) -> None:
        """Delete everything that is stored for this app: messages, records, results, triggers."""
        self.component_provider.purge()

    def __repr__(self) -> str:
        return f"<Pynenc {self._app_id}>"


def _after_fork_in_child() -> None:
    """Let the child process submit under an identity of its own."""
    Pynenc._lock = threading.RLock()
    for app in Pynenc._instances.values():
        app._provider.renew()
        app.serving.renew()


os.register_at_fork(after_in_child=_after_fork_in_child)
