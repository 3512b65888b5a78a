"""The services of an app to tasks, invocations and runners."""

from __future__ import annotations

import logging
from typing import Protocol

from pynenc.broker.base_broker import BaseBroker
from pynenc.calls.inline_records import InlineRecords
from pynenc.conf.config_pynenc import ConfigPynenc
from pynenc.conf.loader import SettingsLoader
from pynenc.lifecycle.components import Components
from pynenc.orchestrator.base_orchestrator import BaseOrchestrator
from pynenc.plugins.component import ProvidesComponents
from pynenc.scheduler.catalog import TriggerCatalog
from pynenc.state_backend.base_state_backend import BaseStateBackend
from pynenc.trigger.base_trigger import BaseTrigger
from pynenc.trigger.definition import StoredTrigger, TriggerDefinition


class AppServices(Protocol):
    """The identity, settings and components of an app, and what it does for a runner."""

    @property
    def app_id(self) -> str:
        """The id, which all stored data carries."""

    @property
    def conf(self) -> ConfigPynenc:
        """The effective settings."""

    @property
    def logger(self) -> logging.Logger:
        """The logger of the app."""

    @property
    def settings_loader(self) -> SettingsLoader:
        """The loader of all settings."""

    @property
    def components(self) -> Components:
        """The components, as the rules of an invocation's life use them."""

    @property
    def broker(self) -> BaseBroker:
        """The queues."""

    @property
    def orchestrator(self) -> BaseOrchestrator:
        """The status records."""

    @property
    def state_backend(self) -> BaseStateBackend:
        """Calls, results and histories."""

    @property
    def trigger(self) -> BaseTrigger:
        """Triggers and events."""

    @property
    def component_provider(self) -> ProvidesComponents:
        """The provider of single components."""

    @property
    def catalog(self) -> TriggerCatalog:
        """The triggers that this process knows."""

    @property
    def inline_records(self) -> InlineRecords:
        """The records of invocations that ran inline."""

    @property
    def runs_here(self) -> bool:
        """True if calls run in this process: at once, or in the embedded runner."""

    def live_trigger(self, stored: StoredTrigger) -> TriggerDefinition | None:
        """Return what the code of this process says of a stored trigger, if it has it."""

    def import_task_modules(self) -> None:
        """Import the modules that the setting `task_modules` names."""

    def modules_left_out(self) -> list[str]:
        """Return the modules beside that of the app that define tasks of it and are not imported."""

    def register_core_tasks(self) -> None:
        """Register every task of the core."""

    def register_deferred_triggers(self) -> None:
        """Store the triggers of all tasks."""

    def close(self) -> None:
        """Release connections."""
