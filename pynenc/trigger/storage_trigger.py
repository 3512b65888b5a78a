"""The trigger store on any storage, and its in-memory and SQLite bindings."""

from __future__ import annotations

from collections.abc import Sequence

from pynenc.storage.base_storage import find_all
from pynenc.storage.codec import RecordCodec
from pynenc.storage.drivers import MemoryDriver, SQLiteDriver, StorageComponent
from pynenc.storage.operations import Delete, Index, Query
from pynenc.trigger.base_trigger import BaseTrigger, StoredEvent
from pynenc.trigger.definition import StoredTrigger


class _Definition(StoredTrigger, frozen=True):
    saved_at: float = 0.0

    @classmethod
    def of(cls, trigger: StoredTrigger, saved_at: float) -> _Definition:
        return cls(
            trigger.trigger_id,
            trigger.task_id,
            trigger.logic,
            trigger.conditions,
            trigger.arguments,
            saved_at=saved_at,
        )


_BY_TASK = Index(("task_id",), "saved_at")
_BY_CODE = Index(("code",), "emitted_at")
_DEFINITIONS = RecordCodec("trigger", _Definition, (_BY_TASK,))
_EVENTS = RecordCodec("event", StoredEvent, (_BY_CODE,))


class StorageTrigger(StorageComponent, BaseTrigger):
    """Records of a storage."""

    tables = (_DEFINITIONS.table, _EVENTS.table)

    def save_definitions(self, triggers: Sequence[StoredTrigger]) -> None:
        now = self.storage.now()
        self.storage.write([_DEFINITIONS.insert(_Definition.of(trigger, now)) for trigger in triggers])

    def find_definitions(self, task_id: str) -> list[StoredTrigger]:
        query = Query(_DEFINITIONS.table, _BY_TASK, (task_id,))
        found = (_DEFINITIONS.decode(record) for record in find_all(self.storage, query))
        return [
            StoredTrigger(each.trigger_id, each.task_id, each.logic, each.conditions, each.arguments)
            for each in found
        ]

    def delete_definitions(self, trigger_ids: Sequence[str]) -> None:
        self.storage.write([Delete(_DEFINITIONS.table, trigger_id) for trigger_id in trigger_ids])

    def save_events(self, events: Sequence[StoredEvent]) -> None:
        self.storage.write([_EVENTS.insert(event) for event in events])

    def find_events(self, code: str, since: float | None = None, limit: int = 100) -> list[StoredEvent]:
        query = Query(_EVENTS.table, _BY_CODE, (code,), low=since)
        return [_EVENTS.decode(record) for record in self.storage.find(query, limit)]


class MemTrigger(StorageTrigger):
    """Triggers in the memory of this process."""

    driver = MemoryDriver
    shared_between_processes = False


class SQLiteTrigger(StorageTrigger):
    """Triggers in a SQLite file."""

    driver = SQLiteDriver
