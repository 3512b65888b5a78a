"""The interface of trigger stores."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from pynenc.conf.base_config import PynencConfig
from pynenc.conf.config_components import ConfigTrigger
from pynenc.exceptions import SerializationError
from pynenc.identifiers.ids import new_id
from pynenc.identifiers.task_id import TaskId
from pynenc.invocation.status import InvocationStatus
from pynenc.plugins.component import Component
from pynenc.trigger.builder import Statuses, TaskReference, TriggerBuilder
from pynenc.trigger.conditions import Filter
from pynenc.trigger.definition import StoredTrigger, TriggerDefinition


class StoredEvent(msgspec.Struct, frozen=True):
    """An event.

    Attributes:
        event_id: Its id.
        code: What kind of event.
        payload: JSON text.
        emitted_at: Seconds since the epoch.
    """

    event_id: str = msgspec.field(name="key")
    code: str
    payload: str
    emitted_at: float


class BaseTrigger(Component):
    """Keeps trigger definitions and events."""

    config_class: ClassVar[type[PynencConfig]] = ConfigTrigger
    conf: ConfigTrigger

    # --- storage -----------------------------------------------------------------------

    @abstractmethod
    def save_definitions(self, triggers: Sequence[StoredTrigger]) -> None:
        """Store definitions; one that is there already is left alone."""

    @abstractmethod
    def find_definitions(self, task_id: str) -> list[StoredTrigger]:
        """The definitions of a task."""

    @abstractmethod
    def delete_definitions(self, trigger_ids: Sequence[str]) -> None:
        """Delete definitions; absent ones are fine."""

    @abstractmethod
    def save_events(self, events: Sequence[StoredEvent]) -> None:
        """Store events; one that is there already is left alone."""

    @abstractmethod
    def find_events(self, code: str, since: float | None = None, limit: int = 100) -> list[StoredEvent]:
        """Events with a code, oldest first.

        Args:
            code: Which.
            since: Emitted at this time or later, in seconds since the epoch.
            limit: Most to return.
        """

    @abstractmethod
    def purge(self) -> None:
        """Delete everything of this app."""

    # --- what applications call --------------------------------------------------------

    def register(self, task_id: TaskId, definitions: Iterable[TriggerDefinition]) -> None:
        """Make these the triggers of a task; those it had before and has no longer are dropped."""
        wanted = {trigger.trigger_id: trigger for trigger in (each.stored() for each in definitions)}
        present = {trigger.trigger_id for trigger in self.find_definitions(task_id.key)}
        self.delete_definitions(sorted(present - wanted.keys()))
        new = [trigger for trigger_id, trigger in wanted.items() if trigger_id not in present]
        if new:
            self.save_definitions(new)

    def emit_event(self, code: str, payload: Mapping[str, Any] | None = None) -> str:
        """Emit an event.

        Args:
            code: What kind of event.
            payload: Values that JSON can hold.

        Returns:
            The id of the event.

        Raises:
            SerializationError: The payload cannot be written as JSON; nothing is stored.
        """
        try:
            text = msgspec.json.encode(dict(payload or {})).decode()
        except (TypeError, ValueError) as error:
            raise SerializationError(f"the payload of event '{code}' is no JSON: {error}") from error
        event = StoredEvent(new_id(), code, text, time.time())
        self.save_events([event])
        return event.event_id

    # The fluent form: app.trigger.on_cron(...) begins a builder.

    def on_cron(self, expression: str, timezone: str = "UTC") -> TriggerBuilder:
        """Begin a builder with a cron condition."""
        return TriggerBuilder().on_cron(expression, timezone)

    def on_event(
        self, code: str, payload_filter: Filter | None = None, filters: Filter | None = None
    ) -> TriggerBuilder:
        """Begin a builder with an event condition."""
        return TriggerBuilder().on_event(code, payload_filter, filters)

    def on_status(
        self,
        task: TaskReference,
        statuses: Statuses = InvocationStatus.SUCCESS,
        call_arguments: Filter | None = None,
    ) -> TriggerBuilder:
        """Begin a builder with a status condition."""
        return TriggerBuilder().on_status(task, statuses, call_arguments)

    def on_result(
        self, task: TaskReference, filter_result: Any = None, call_arguments: Filter | None = None
    ) -> TriggerBuilder:
        """Begin a builder with a result condition."""
        return TriggerBuilder().on_result(task, filter_result, call_arguments)

    def on_exception(
        self,
        task: TaskReference,
        exception_types: Iterable[type[BaseException] | str] | None = None,
        call_arguments: Filter | None = None,
    ) -> TriggerBuilder:
        """Begin a builder with an exception condition."""
        return TriggerBuilder().on_exception(task, exception_types, call_arguments)
