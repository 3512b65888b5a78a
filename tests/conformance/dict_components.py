"""An orchestrator, a state backend and a trigger store that implement the abstract methods and no more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from pynenc.invocation.state import (
    Change,
    ChangeOutcome,
    HistoryEntry,
    InvocationState,
    Registration,
    Removal,
    StateChange,
)
from pynenc.invocation.status import InvocationStatus
from pynenc.orchestrator.base_orchestrator import BaseOrchestrator
from pynenc.plugins.component import ComponentContext, DataComponent
from pynenc.state_backend.base_state_backend import BaseStateBackend
from pynenc.storage.operations import Cursor
from pynenc.storage.record_store import Amend, Lookup, RecordStore, RecordWrite, Remove, Save, Wake, key_of
from pynenc.storage.subscription import Subscription
from pynenc.storage.wakeup import WakeupHub
from pynenc.trigger.base_trigger import BaseTrigger
from pynenc.trigger.stored_records import DEFINED, OCCURRED


class DictRecords(DataComponent, RecordStore):
    """Records in dictionaries under one lock."""

    shared_between_processes = False

    def __init__(self, context: ComponentContext) -> None:
        super().__init__(context)
        self.hub = WakeupHub()
        self.guard = threading.RLock()
        self.tables: dict[type[msgspec.Struct], dict[str, msgspec.Struct]] = {}

    def write(self, writes: Sequence[RecordWrite]) -> list[bool]:
        with self.guard:
            done = [self._write(each) for each in writes]
        for each in writes:
            if isinstance(each, Wake):
                self.hub.fire(each.channels)
        return done

    def _write(self, write: RecordWrite) -> bool:
        if isinstance(write, Wake):
            return True
        if isinstance(write, Save):
            table = self.tables.setdefault(type(write.record), {})
            return table.setdefault(key_of(write.record), write.record) is write.record
        table = self.tables.setdefault(write.record_type, {})
        found = table.get(write.key)
        if found is None or any(getattr(found, name) != value for name, value in write.guard.items()):
            return False
        if isinstance(write, Remove):
            del table[write.key]
        else:
            assert isinstance(write, Amend)
            fields = {**msgspec.to_builtins(found), **write.values}
            table[write.key] = msgspec.convert(fields, write.record_type)
        return True

    def read(self, record_type: type[Any], keys: Sequence[str]) -> list[Any]:
        with self.guard:
            return [self.tables.get(record_type, {}).get(key) for key in keys]

    def find(
        self, record_type: type[Any], lookup: Lookup, limit: int, after: Cursor | None = None
    ) -> list[Any]:
        order = self.order_of(lookup)
        with self.guard:
            found = [
                (getattr(each, order), key, each)
                for key, each in self.tables.get(record_type, {}).items()
                if all(getattr(each, name) == value for name, value in lookup.equals.items())
            ]
        found = [
            each
            for each in found
            if (lookup.low is None or each[0] >= lookup.low)
            and (lookup.high is None or each[0] < lookup.high)
        ]
        return page(found, lookup.newest_first, limit, after)

    def purge(self) -> None:
        with self.guard:
            self.tables.clear()

    def now(self) -> float:
        return time.time()


def page(found: list[Any], newest_first: bool, limit: int, after: Cursor | None) -> list[Any]:
    """Of triples of order, key and item those items that come next."""
    found.sort(key=lambda each: each[:2], reverse=newest_first)
    if after is not None:
        place = (after.order, after.key)
        found = [each for each in found if (each[:2] < place if newest_first else each[:2] > place)]
    return [item for _, _, item in found[:limit]]


class DictStateBackend(DictRecords, BaseStateBackend):
    """State in dictionaries."""


class DictTrigger(DictRecords, BaseTrigger):
    """Triggers in dictionaries."""

    def subscribe(self) -> Subscription:
        return self.hub.subscribe([OCCURRED, DEFINED])


class DictOrchestrator(DictRecords, BaseOrchestrator):
    """Status records in dictionaries."""

    def __init__(self, context: ComponentContext) -> None:
        super().__init__(context)
        self.states: dict[str, InvocationState] = {}
        self.entries: dict[str, list[HistoryEntry]] = {}

    def change(self, changes: Sequence[StateChange], actor_id: str | None) -> list[ChangeOutcome]:
        with self.guard:
            return [self._change(each, actor_id) for each in changes]

    def _change(self, change: StateChange, actor_id: str | None) -> ChangeOutcome:
        wanted = change.target if isinstance(change, Registration) else change.current
        key = wanted.invocation_id
        found = self.states.get(key)
        if isinstance(change, Registration):
            if found is not None:
                return ChangeOutcome(False, found.status, found.runner_id, found.claim)
            self._note(change.target, actor_id)
            return ChangeOutcome(True)
        guarded = ("status", "runner_id", "claim", *(change.also if isinstance(change, Change) else ()))
        if found is None:
            return ChangeOutcome(False)
        if any(getattr(found, name) != getattr(change.current, name) for name in guarded):
            return ChangeOutcome(False, found.status, found.runner_id, found.claim)
        if isinstance(change, Removal):
            del self.states[key], self.entries[key]
            return ChangeOutcome(True)
        before, after = change.current, change.target
        changed = {
            name: getattr(after, name)
            for name in after.__struct_fields__
            if getattr(before, name) != getattr(after, name)
        }
        target = msgspec.structs.replace(found, **changed)
        if before.status == after.status:
            self.states[key] = target
        else:
            self._note(target, actor_id)
        return ChangeOutcome(True)

    def _note(self, state: InvocationState, actor_id: str | None) -> None:
        self.states[state.invocation_id] = state
        moment = datetime.fromtimestamp(state.changed_at, UTC)
        entry = HistoryEntry(state.status, moment, state.runner_id or actor_id, state.claim)
        self.entries.setdefault(state.invocation_id, []).append(entry)

    def read_states(self, invocation_ids: Sequence[str]) -> list[InvocationState | None]:
        with self.guard:
            return [self.states.get(each) for each in invocation_ids]

    def histories(self, invocation_ids: Sequence[str]) -> list[list[HistoryEntry]]:
        return [list(self.entries.get(each, ())) for each in invocation_ids]

    def find_states(
        self,
        status: InvocationStatus,
        before: float | None = None,
        limit: int = 100,
        after: Cursor | None = None,
        newest_first: bool = False,
    ) -> list[InvocationState]:
        with self.guard:
            found = [
                (state.since, key, state)
                for key, state in self.states.items()
                if state.status == status and (before is None or state.since < before)
            ]
        return page(found, newest_first, limit, after)

    def subscribe(
        self, invocation_ids: Iterable[str], on_wake: Callable[[], None] | None = None
    ) -> Subscription:
        return self.hub.subscribe(invocation_ids, on_wake)

    def announce(self, invocation_ids: Sequence[str]) -> None:
        self.hub.fire(invocation_ids)

    def purge(self) -> None:
        super().purge()
        self.states.clear()
        self.entries.clear()
