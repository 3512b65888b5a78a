"""The orchestrator on any storage, and its in-memory and SQLite bindings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from pynenc.invocation.state import Change, ChangeOutcome, HistoryEntry, InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.orchestrator.base_orchestrator import BaseOrchestrator, Slot, SlotSwap, Waiter
from pynenc.storage.drivers import MemoryDriver, SQLiteDriver, StorageComponent
from pynenc.storage.group import Group, Mapped, Pending
from pynenc.storage.operations import (
    Cursor,
    Delete,
    Index,
    Notify,
    Outcome,
    Patch,
    Query,
    Record,
    Scalar,
    Write,
    record_key,
)
from pynenc.storage.records import RecordCodec
from pynenc.storage.subscription import Subscription

_HISTORY = "history"
_BY_STATUS = Index(("status",), "since")
_STATES = RecordCodec("status", InvocationState, (_BY_STATUS,), (_HISTORY,))


class _Heartbeat(msgspec.Struct, frozen=True):
    runner_id: str = msgspec.field(name="key")
    at: float


_BY_LIFE = Index((), "at")
_HEARTBEATS = RecordCodec("heartbeat", _Heartbeat, (_BY_LIFE,))


_SLOTS = RecordCodec("slot", Slot)
_BY_SLOT = Index(("slot_key",), "at")
_WAITERS = RecordCodec("waiter", Waiter, (_BY_SLOT,))


def _entry(state: InvocationState, actor_id: str | None) -> str:
    return HistoryEntry.line(state.status, state.changed_at, state.claim, state.runner_id or actor_id)


def _growth(change: Change, actor_id: str | None) -> dict[str, str]:
    """What a change adds to the history: nothing if the status stays."""
    if change.current.status == change.target.status:
        return {}
    return {_HISTORY: _entry(change.target, actor_id)}


def _guard(state: InvocationState, also: Sequence[str] = ()) -> dict[str, Scalar]:
    guard: dict[str, Scalar] = {
        "status": state.status.value,
        "runner_id": state.runner_id,
        "claim": state.claim,
    }
    for name in also:
        guard[name] = getattr(state, name)
    return guard


def _swap(swap: SlotSwap) -> Write:
    before, after = swap.before, swap.after
    if before is None:
        if after is None:
            raise ValueError("a swap needs a slot before or after")
        return _SLOTS.insert(after)
    guard: dict[str, Scalar] = {"invocation_id": before.invocation_id, "claim": before.claim}
    if after is None:
        return Delete(_SLOTS.table, before.slot_key, guard)
    return Patch(_SLOTS.table, before.slot_key, _SLOTS.changes(before, after), guard)


def _change_outcome(outcome: Outcome) -> ChangeOutcome:
    if outcome.applied:
        return _APPLIED
    if outcome.current is None:
        return ChangeOutcome(False)
    return msgspec.convert({"applied": False, **outcome.current}, ChangeOutcome)


_APPLIED = ChangeOutcome(True)


class StorageOrchestrator(StorageComponent, BaseOrchestrator):
    """Records of a storage."""

    tables = (_STATES.table, _HEARTBEATS.table, _SLOTS.table, _WAITERS.table)

    # --- records -----------------------------------------------------------------------

    def register(self, states: Sequence[InvocationState], actor_id: str | None) -> list[bool]:
        group = Group()
        reply = self.stage_register(group, states, actor_id)
        group.send()
        return reply.get()

    def stage_register(
        self, group: Group, states: Sequence[InvocationState], actor_id: str | None
    ) -> Pending[list[bool]]:
        inserts = [_STATES.insert(state, {_HISTORY: _entry(state, actor_id)}) for state in states]
        reply = group.write(self.storage, inserts)
        return Mapped(reply, lambda outcomes: [outcome.applied for outcome in outcomes])

    def change(self, changes: Sequence[Change], actor_id: str | None) -> list[ChangeOutcome]:
        group = Group()
        reply = self.stage_change(group, changes, actor_id)
        group.send()
        return reply.get()

    def stage_change(
        self, group: Group, changes: Sequence[Change], actor_id: str | None
    ) -> Pending[list[ChangeOutcome]]:
        patches = [
            Patch(
                _STATES.table,
                change.current.invocation_id,
                _STATES.changes(change.current, change.target),
                _guard(change.current, change.also),
                _growth(change, actor_id),
            )
            for change in changes
        ]
        reply = group.write(self.storage, patches)
        return Mapped(reply, lambda outcomes: list(map(_change_outcome, outcomes)))

    def read(self, invocation_ids: Sequence[str]) -> list[InvocationState | None]:
        records = self.storage.read(_STATES.table, invocation_ids, _STATES.table.fields)
        return _STATES.decode_all(records)

    def stage_read(
        self, group: Group, invocation_ids: Sequence[str]
    ) -> Pending[list[InvocationState | None]]:
        reply = group.read(self.storage, _STATES.table, invocation_ids, _STATES.table.fields)
        return Mapped(reply, _STATES.decode_all)

    def histories(self, invocation_ids: Sequence[str]) -> list[list[HistoryEntry]]:
        records = self.storage.read(_STATES.table, invocation_ids, (_HISTORY,))
        lines = [record[_HISTORY] if record is not None else () for record in records]
        return [
            [HistoryEntry.decode(line) for line in each] if isinstance(each, tuple) else [] for each in lines
        ]

    def find(
        self,
        status: InvocationStatus,
        before: float | None = None,
        limit: int = 100,
        after: Cursor | None = None,
        newest_first: bool = False,
    ) -> list[InvocationState]:
        query = Query(
            _STATES.table,
            _BY_STATUS,
            (status.value,),
            high=before,
            descending=newest_first,
            fields=_STATES.table.fields,
        )
        return [_STATES.decode(record) for record in self.storage.find(query, limit, after)]

    def count(self, status: InvocationStatus) -> int:
        return self.storage.count(Query(_STATES.table, _BY_STATUS, (status.value,)))

    def delete(self, states: Sequence[InvocationState]) -> None:
        self.storage.write([Delete(_STATES.table, state.invocation_id, _guard(state)) for state in states])

    # --- slots -------------------------------------------------------------------------

    def read_slots(self, slot_keys: Sequence[str]) -> list[Slot | None]:
        return _SLOTS.decode_all(self.storage.read(_SLOTS.table, slot_keys))

    def swap_slots(self, swaps: Sequence[SlotSwap]) -> list[bool]:
        return [outcome.applied for outcome in self.storage.write([_swap(swap) for swap in swaps])]

    def add_waiters(self, waiters: Sequence[Waiter]) -> None:
        self.storage.write([_WAITERS.insert(each) for each in waiters])

    def first_waiters(self, slot_key: str, limit: int) -> list[Waiter]:
        query = Query(_WAITERS.table, _BY_SLOT, (slot_key,))
        return [_WAITERS.decode(record) for record in self.storage.find(query, limit)]

    def drop_waiters(self, waiters: Sequence[Waiter]) -> None:
        self.storage.write([Delete(_WAITERS.table, each.waiter_id) for each in waiters])

    # --- signals -----------------------------------------------------------------------

    def subscribe(
        self, invocation_ids: Iterable[str], on_wake: Callable[[], None] | None = None
    ) -> Subscription:
        return self.storage.subscribe(invocation_ids, on_wake)

    def announce(self, invocation_ids: Sequence[str]) -> None:
        self.storage.notify(invocation_ids)

    def stage_announce(self, group: Group, invocation_ids: Sequence[str]) -> None:
        group.add(self.storage, Notify(tuple(invocation_ids)))

    # --- runners -----------------------------------------------------------------------

    def heartbeat(self, runner_ids: Sequence[str], moment: float) -> None:
        group = Group()
        for runner_id in runner_ids:
            group.add(self.storage, _HEARTBEATS.insert(_Heartbeat(runner_id, moment)))
            group.add(self.storage, Patch(_HEARTBEATS.table, runner_id, {"at": moment}))
        group.send()

    def silent_runners(self, before: float, limit: int = 100) -> list[str]:
        return _keys(self.storage.find(Query(_HEARTBEATS.table, _BY_LIFE, high=before), limit))

    def live_runners(self, since: float, limit: int = 1000) -> list[str]:
        return _keys(self.storage.find(Query(_HEARTBEATS.table, _BY_LIFE, low=since), limit))

    def last_heartbeats(self, runner_ids: Sequence[str]) -> list[float | None]:
        beats = _HEARTBEATS.decode_all(self.storage.read(_HEARTBEATS.table, runner_ids))
        return [beat.at if beat else None for beat in beats]

    def forget_runners(self, runner_ids: Sequence[str]) -> None:
        self.storage.write([Delete(_HEARTBEATS.table, runner_id) for runner_id in runner_ids])

    # --- the engine --------------------------------------------------------------------

    def now(self) -> float:
        return self.storage.now()


def _keys(records: Sequence[Record]) -> list[str]:
    return [record_key(record) for record in records]


class MemOrchestrator(StorageOrchestrator):
    """Status records in the memory of this process."""

    driver = MemoryDriver
    shared_between_processes = False


class SQLiteOrchestrator(StorageOrchestrator):
    """Status records in a SQLite file."""

    driver = SQLiteDriver
