"""The orchestrator on any storage, and its in-memory and SQLite bindings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import cast

import msgspec

from pynenc.invocation.state import (
    WHOLE_HISTORY,
    ChangeOutcome,
    HistoryEntry,
    InvocationState,
    Registration,
    Removal,
    StateChange,
    is_in_history,
)
from pynenc.invocation.status import InvocationStatus
from pynenc.orchestrator.base_orchestrator import BaseOrchestrator, Life, Slot, StateLookup
from pynenc.storage.drivers import MemoryDriver, SQLiteDriver
from pynenc.storage.group import Group, Pending
from pynenc.storage.operations import (
    KEY,
    Cursor,
    Delete,
    Index,
    Notify,
    Operation,
    Outcome,
    Patch,
    Query,
    Read,
    Record,
    Reply,
    Scalar,
)
from pynenc.storage.record_store import Lookup, RecordSpec, Remove
from pynenc.storage.records import RecordCodec, StorageRecords, is_unreadable
from pynenc.storage.subscription import Subscription

_HISTORY = "history"
_STATES: RecordCodec[InvocationState] = RecordCodec(
    RecordSpec(
        InvocationState,
        "status",
        (
            Index(("status",), "since"),
            Index(("failed_task",), "since", is_sparse=True),
            Index(("error_type",), "since", is_sparse=True),
            Index(("workflow_status",), "since", is_sparse=True),
        ),
        append_only=(_HISTORY,),
    )
)
_APPLIED = ChangeOutcome(True)
_LIFE = ("task_id", "since", "changed_at", _HISTORY)


class StorageOrchestrator(StorageRecords, BaseOrchestrator):
    """Keeps status records in a storage."""

    own_tables = (_STATES.table,)

    def change(self, changes: Sequence[StateChange], actor_id: str | None) -> list[ChangeOutcome]:
        if not changes:
            return []
        return _outcomes(self.storage.execute([_operation(each, actor_id) for each in changes]))

    def stage_change(
        self, group: Group, changes: Sequence[StateChange], actor_id: str | None
    ) -> Pending[list[ChangeOutcome]]:
        return group.execute(self.storage, [_operation(each, actor_id) for each in changes], _outcomes)

    def read_states(self, invocation_ids: Sequence[str]) -> list[InvocationState | None]:
        return _STATES.decode_all(self.storage.read(_STATES.table, invocation_ids, _STATES.fetched))

    def stage_read_states(
        self, group: Group, invocation_ids: Sequence[str]
    ) -> Pending[list[InvocationState | None]]:
        read = Read(_STATES.table, tuple(invocation_ids), _STATES.fetched)
        return group.execute(self.storage, (read,), _decoded)

    def histories(self, invocation_ids: Sequence[str]) -> list[list[HistoryEntry]]:
        records = self.storage.read(_STATES.table, invocation_ids, (_HISTORY,))
        lines = [record[_HISTORY] if record is not None else () for record in records]
        return [_decoded_history(each) if isinstance(each, tuple) else [] for each in lines]

    def find_states(
        self,
        status: InvocationStatus,
        before: float | None = None,
        limit: int = 100,
        after: Cursor | None = None,
        newest_first: bool = False,
    ) -> list[InvocationState]:
        lookup = Lookup(InvocationState, {"status": status.value}, high=before, newest_first=newest_first)
        return _STATES.found(self.storage, _STATES.query(lookup, _STATES.fetched), limit, after)

    def look_up(self, lookup: StateLookup, limit: int, after: Cursor | None = None) -> list[InvocationState]:
        return _STATES.found(self.storage, _query(lookup), limit, after)

    def look_up_lives(self, lookup: StateLookup, limit: int, after: Cursor | None = None) -> list[Life]:
        query = msgspec.structs.replace(_query(lookup), fields=_LIFE)
        found = [_life(each) for each in self.storage.find(query, limit, after)]
        return [each for each in found if each is not None]

    def count_many_states(self, lookups: Sequence[StateLookup], limit: int) -> list[int]:
        return self.storage.count_many([_query(each) for each in lookups], limit)

    def count_states(self, status: InvocationStatus) -> int:
        return self.storage.count(_STATES.query(Lookup(InvocationState, {"status": status.value})))

    def read_slots(self, slot_keys: Sequence[str]) -> list[Slot | None]:
        slots = super().read_slots(slot_keys)
        free = [key for key, slot in zip(slot_keys, slots, strict=True) if slot is None]
        # A slot that cannot be read names no holder; left where it is, it could never be taken.
        damaged = [key for key in free if is_unreadable("slot", key)]
        if damaged:
            self.write([Remove(Slot, key) for key in damaged])
        return slots

    def subscribe(
        self, invocation_ids: Iterable[str], on_wake: Callable[[], None] | None = None
    ) -> Subscription:
        return self.storage.subscribe(invocation_ids, on_wake)

    def announce(self, invocation_ids: Sequence[str]) -> None:
        self.storage.notify(invocation_ids)

    def stage_announce(self, group: Group, invocation_ids: Sequence[str]) -> None:
        group.execute(self.storage, (Notify(tuple(invocation_ids)),), len)

    def now(self) -> float:
        return self.storage.now()


def _query(lookup: StateLookup) -> Query:
    equals: dict[str, Scalar] = {lookup.field: lookup.value}
    asked = Lookup(InvocationState, equals, lookup.low, lookup.high, lookup.newest_first)
    return _STATES.query(asked, _STATES.fetched)


def _life(record: Record) -> Life | None:
    """Return the history of a record, None if the record cannot be read."""
    key, task_id, lines = record[KEY], record.get("task_id"), record.get(_HISTORY)
    since, changed_at = record.get("since"), record.get("changed_at")
    if not isinstance(since, (int, float)) or not isinstance(changed_at, (int, float)):
        return None
    entries: list[tuple[InvocationStatus, float, str | None]] = []
    for line in lines if isinstance(lines, tuple) else ():
        try:
            status, moment, _, runner_id = line.split(" ", 3)
            entries.append((_STATUSES[status], float(moment), runner_id or None))
        except (ValueError, KeyError):
            continue
    return Life(str(key), str(task_id), since, changed_at, entries)


_STATUSES = {each.value: each for each in InvocationStatus}


def _operation(change: StateChange, actor_id: str | None) -> Operation:
    """Return a change of a status record as one operation of the storage."""
    if isinstance(change, Registration):
        return _STATES.insert(change.target, {_HISTORY: _entry(change.target, actor_id)})
    current = change.current
    guard: dict[str, Scalar] = {
        "status": current.status.value,
        "runner_id": current.runner_id,
        "claim": current.claim,
    }
    if isinstance(change, Removal):
        return Delete(_STATES.table, current.invocation_id, guard)
    target = change.target
    for name in change.also:
        guard[name] = getattr(current, name)
    growth = {} if current.status == target.status else {_HISTORY: _entry(target, actor_id)}
    if target.claim >= WHOLE_HISTORY and not target.status.final and not is_in_history(target.claim):
        growth = {}
    return Patch(_STATES.table, current.invocation_id, _STATES.changes(current, target), guard, growth)


def _decoded_history(lines: Sequence[str]) -> list[HistoryEntry]:
    """Return the entries of a history; lines that cannot be read are left out."""
    entries: list[HistoryEntry] = []
    for line in lines:
        try:
            status, moment, claim, runner_id = line.split(" ", 3)
            at = datetime.fromtimestamp(float(moment), UTC)
            entries.append(HistoryEntry(_STATUSES[status], at, runner_id or None, int(claim)))
        except (ValueError, OverflowError, OSError, KeyError):
            continue
    return entries


def _entry(state: InvocationState, actor_id: str | None) -> str:
    return f"{state.status.value} {state.changed_at!r} {state.claim} {state.runner_id or actor_id or ''}"


def _outcomes(replies: list[Reply]) -> list[ChangeOutcome]:
    return [_outcome(cast(Outcome, reply)) for reply in replies]


def _outcome(outcome: Outcome) -> ChangeOutcome:
    if outcome.applied:
        return _APPLIED
    if outcome.current is None:
        return ChangeOutcome(False)
    return msgspec.convert({"applied": False, **outcome.current}, ChangeOutcome)


def _decoded(replies: list[Reply]) -> list[InvocationState | None]:
    return _STATES.decode_all(cast("list[Record | None]", replies[0]))


class MemOrchestrator(StorageOrchestrator):
    """Keeps status records in the memory of this process."""

    driver = MemoryDriver
    shared_between_processes = False


class SQLiteOrchestrator(StorageOrchestrator):
    """Keeps status records in a SQLite file."""

    driver = SQLiteDriver
