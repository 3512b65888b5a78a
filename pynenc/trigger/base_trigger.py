"""The interface of trigger stores."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from pynenc.conf.base_config import PynencConfig
from pynenc.conf.config_trigger import ConfigTrigger
from pynenc.context import current_invocation_id, current_trigger_depth
from pynenc.exceptions import TriggerNotFoundError
from pynenc.identifiers.ids import new_id
from pynenc.identifiers.task_id import TaskId
from pynenc.plugins.component import ComponentContext, DataComponent
from pynenc.storage.beside_loop import submitted_beside_loop
from pynenc.storage.group import Group
from pynenc.trigger.definition import StoredTrigger, TriggerDefinition, tick_marks
from pynenc.trigger.records import (
    EVENT,
    Mark,
    Occurrence,
    event_text,
    pause_mark,
)
from pynenc.trigger.stored_records import TriggerRecords
from pynenc.trigger.trigger_builder import TriggerStarts


class StoredEvent(msgspec.Struct, frozen=True):
    """An event.

    Attributes:
        event_id: Its id.
        code: What kind of event.
        payload: JSON text.
        emitted_at: Seconds since the epoch.
    """

    event_id: str
    code: str
    payload: str
    emitted_at: float


class BaseTrigger(DataComponent, TriggerRecords, TriggerStarts):
    """Keeps trigger definitions, what has occurred, and what came of it.

    An author implements `write`, `read`, `find`, `subscribe`, `now` and `purge`. What begins a
    builder is there in its fluent form, such as `app.trigger.on_cron(...)`.
    """

    config_class: ClassVar[type[PynencConfig]] = ConfigTrigger
    conf: ConfigTrigger

    def __init__(self, context: ComponentContext) -> None:
        super().__init__(context)
        self._lock = threading.Lock()
        self._last_at = 0.0

    # --- what applications call --------------------------------------------------------

    def register(self, task_id: TaskId, definitions: Iterable[TriggerDefinition]) -> None:
        """Make these the triggers of a task; those it had before and has no longer are dropped."""
        self.replace(self.find_definitions(task_id.key), definitions)

    def replace(self, present: Iterable[StoredTrigger], definitions: Iterable[TriggerDefinition]) -> None:
        """Put definitions in the place of stored ones; those that are equal, and schedules, stay as they are.

        What is dropped forgets when it last ticked, so that nothing counts as missed if it comes back.
        """
        wanted = {trigger.trigger_id: trigger for trigger in (each.stored() for each in definitions)}
        known = {trigger.trigger_id: trigger for trigger in present if not trigger.name}
        gone = [trigger for trigger_id, trigger in known.items() if trigger_id not in wanted]
        if gone:
            self.delete_definitions([trigger.trigger_id for trigger in gone])
            self.clear_marks([mark for trigger in gone for mark in tick_marks(trigger)])
        new = [trigger for trigger_id, trigger in wanted.items() if trigger_id not in known]
        if new:
            self.save_definitions(new)

    def pause(self, trigger_id: str) -> bool:
        """Keep a trigger from starting its task; whatever happens while it is paused is ignored.

        Returns:
            False if it was paused already.

        Raises:
            TriggerNotFoundError: There is no such trigger.
        """
        self.get_definition(trigger_id)
        return self.swap_marks([(None, Mark(pause_mark(trigger_id), "", self.now()))], wake=True)[0]

    def resume(self, trigger_id: str) -> bool:
        """Let a paused trigger start its task again; ticks of the pause do not count as missed.

        Returns:
            False if it was not paused.

        Raises:
            TriggerNotFoundError: There is no such trigger.
        """
        names = tick_marks(self.get_definition(trigger_id))
        *ticks, paused = self.read_marks([*names, pause_mark(trigger_id)])
        if paused is None:
            return False
        now = self.now()
        self.swap_marks([(mark, Mark(mark.name, "", now)) for mark in ticks if mark is not None])
        return self.swap_marks([(paused, None)], wake=True)[0]

    def get_definition(self, trigger_id: str) -> StoredTrigger:
        """Return the trigger with this id, or the only one whose id begins so.

        Raises:
            TriggerNotFoundError: There is none, or more than one.
        """
        known = self.find_definitions()
        found = [each for each in known if trigger_id and each.trigger_id.startswith(trigger_id)]
        exact = [each for each in found if each.trigger_id == trigger_id]
        if len(exact or found) != 1:
            raise TriggerNotFoundError(trigger_id, len(found), len(known))
        return (exact or found)[0]

    def clear_marks(self, names: Sequence[str]) -> None:
        """Delete marks as they are now; absent ones are fine."""
        marks = [mark for mark in self.read_marks(names) if mark is not None] if names else []
        if marks:
            self.swap_marks([(mark, None) for mark in marks])

    def emit_event(
        self, code: str, payload: Mapping[str, Any] | None = None, event_id: str | None = None
    ) -> str:
        """Emit an event; the triggers that wait for it start their tasks at once.

        Args:
            code: What kind of event.
            payload: Values that JSON can hold.
            event_id: Its id, if the same event may be emitted more than once and is to count once.

        Returns:
            The id of the event.

        Raises:
            SerializationError: The payload cannot be written as JSON; nothing is stored.
        """
        text = event_text(code, payload)
        source, depth = current_invocation_id.get(), current_trigger_depth.get()
        event = Occurrence(event_id or new_id(), EVENT, code, text, self._next_moment(), depth, source)
        group = Group()
        self.stage_occurrences(group, [event])
        group.send()
        return event.occurrence_id

    async def aemit_event(
        self, code: str, payload: Mapping[str, Any] | None = None, event_id: str | None = None
    ) -> str:
        """Emit an event like `emit_event`, without blocking the event loop.

        Raises:
            asyncio.CancelledError: The await was cancelled; `accepted_ids` names the event if it was stored.
            SerializationError: The payload cannot be written as JSON; nothing is stored.
        """
        return await submitted_beside_loop(
            lambda: self.emit_event(code, payload, event_id), lambda known_id: (known_id,)
        )

    def find_events(self, code: str, since: float | None = None, limit: int = 100) -> list[StoredEvent]:
        """Return events with a code, oldest first.

        Args:
            code: Which.
            since: Emitted at this time or later, in seconds since the epoch.
            limit: Most to return.
        """
        found = self.find_occurrences(EVENT, code, since, limit)
        return [StoredEvent(each.occurrence_id, each.code, each.payload, each.at) for each in found]

    def _next_moment(self) -> float:
        """Now, and later than any moment before, so that what one process emits keeps its order."""
        now = self.now()
        with self._lock:
            self._last_at = now if now > self._last_at else self._last_at + 1e-6
            return self._last_at
