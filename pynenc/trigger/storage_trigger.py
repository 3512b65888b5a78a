"""The trigger store on any storage, and its in-memory and SQLite bindings."""

from __future__ import annotations

from collections.abc import Sequence

from pynenc.storage.base_storage import find_all
from pynenc.storage.drivers import MemoryDriver, SQLiteDriver, StorageComponent
from pynenc.storage.group import Group
from pynenc.storage.operations import (
    Cursor,
    Delete,
    Index,
    Notify,
    Operation,
    Patch,
    Query,
    Scalar,
    Write,
    record_key,
)
from pynenc.storage.records import RecordCodec
from pynenc.storage.subscription import Subscription
from pynenc.trigger.base_trigger import DEFINED, OCCURRED, BaseTrigger
from pynenc.trigger.definition import StoredTrigger
from pynenc.trigger.records import EventWait, Mark, MarkSwap, Occurrence, Part, RunState, TriggerRun


class _Definition(StoredTrigger, frozen=True):
    saved_at: float = 0.0


_ALL_DEFINITIONS = Index((), "saved_at")
_BY_TASK = Index(("task_id",), "saved_at")
_OPEN = Index(("is_open",), "at")
_BY_CODE = Index(("kind", "code"), "at")
_BY_TRIGGER = Index(("trigger_id",), "at")
_BY_STATE = Index(("state",), "at")
_WAITING = Index(("slot", "run_id"), "at")
_BY_TIME = Index((), "at")
_DEFINITIONS = RecordCodec("trigger", _Definition, (_ALL_DEFINITIONS, _BY_TASK))
_OCCURRENCES = RecordCodec("occurrence", Occurrence, (_OPEN, _BY_CODE))
_RUNS = RecordCodec("trigger_run", TriggerRun, (_BY_TRIGGER, _BY_STATE, _BY_TIME))
_PARTS = RecordCodec("trigger_part", Part, (_WAITING, _BY_TIME))
_BY_AWAITED = Index(("code",), "at")
_MARKS = RecordCodec("trigger_mark", Mark)
_WAITS = RecordCodec("trigger_wait", EventWait, (_BY_AWAITED,))


class StorageTrigger(StorageComponent, BaseTrigger):
    """Records of a storage."""

    tables = (
        _DEFINITIONS.table,
        _OCCURRENCES.table,
        _RUNS.table,
        _PARTS.table,
        _MARKS.table,
        _WAITS.table,
    )

    # --- definitions -------------------------------------------------------------------

    def save_definitions(self, triggers: Sequence[StoredTrigger]) -> None:
        now = self.storage.now()
        inserts: list[Operation] = []
        for trigger in triggers:
            fields = {name: getattr(trigger, name) for name in trigger.__struct_fields__}
            inserts.append(_DEFINITIONS.insert(_Definition(**fields, saved_at=now)))
        self.storage.execute([*inserts, Notify((DEFINED,))])

    def find_definitions(self, task_id: str | None = None) -> list[StoredTrigger]:
        query = Query(_DEFINITIONS.table, _ALL_DEFINITIONS)
        if task_id is not None:
            query = Query(_DEFINITIONS.table, _BY_TASK, (task_id,))
        found = (_DEFINITIONS.decode(record) for record in find_all(self.storage, query))
        names = StoredTrigger.__struct_fields__
        return [StoredTrigger(**{name: getattr(each, name) for name in names}) for each in found]

    def delete_definitions(self, trigger_ids: Sequence[str]) -> None:
        deletes = [Delete(_DEFINITIONS.table, trigger_id) for trigger_id in trigger_ids]
        self.storage.execute([*deletes, Notify((DEFINED,))])

    # --- occurrences -------------------------------------------------------------------

    def stage_occurrences(self, group: Group, occurrences: Sequence[Occurrence]) -> None:
        group.write(self.storage, [_OCCURRENCES.insert(each) for each in occurrences])
        group.add(self.storage, Notify((OCCURRED,)))

    def open_occurrences(self, limit: int, after: Cursor | None = None) -> list[Occurrence]:
        query = Query(_OCCURRENCES.table, _OPEN, (1,))
        return [_OCCURRENCES.decode(record) for record in self.storage.find(query, limit, after)]

    def settle(self, occurrence_ids: Sequence[str], runs: Sequence[TriggerRun]) -> None:
        writes: list[Write] = []
        for run in runs:
            writes.append(_RUNS.insert(run))
            values = {"state": run.state.value, "invocation_id": run.invocation_id, "reason": run.reason}
            writes.append(Patch(_RUNS.table, run.run_id, values, {"state": RunState.FIRING.value}))
        writes += [Patch(_OCCURRENCES.table, each, {"is_open": 0}) for each in occurrence_ids]
        if writes:
            self.storage.write(writes)

    def find_occurrences(
        self, kind: str, code: str, since: float | None = None, limit: int = 100
    ) -> list[Occurrence]:
        query = Query(_OCCURRENCES.table, _BY_CODE, (kind, code), low=since)
        return [_OCCURRENCES.decode(record) for record in self.storage.find(query, limit)]

    # --- runs --------------------------------------------------------------------------

    def save_runs(self, runs: Sequence[TriggerRun]) -> None:
        self.storage.write([_RUNS.insert(run) for run in runs])

    def read_runs(self, run_ids: Sequence[str]) -> list[TriggerRun | None]:
        return _RUNS.decode_all(self.storage.read(_RUNS.table, run_ids))

    def find_runs(
        self, trigger_id: str | None = None, state: RunState | str | None = None, limit: int = 100
    ) -> list[TriggerRun]:
        query = Query(_RUNS.table, _BY_TIME, descending=True)
        if trigger_id is not None:
            query = Query(_RUNS.table, _BY_TRIGGER, (trigger_id,), descending=True)
        elif state is not None:
            query = Query(_RUNS.table, _BY_STATE, (RunState(state).value,), descending=True)
        return [_RUNS.decode(record) for record in self.storage.find(query, limit)]

    def count_runs(self, trigger_id: str, since: float) -> int:
        return self.storage.count(Query(_RUNS.table, _BY_TRIGGER, (trigger_id,), low=since))

    # --- parts -------------------------------------------------------------------------

    def save_parts(self, parts: Sequence[Part]) -> None:
        self.storage.write([_PARTS.insert(part) for part in parts])

    def waiting_parts(self, slot: str, limit: int) -> list[Part]:
        query = Query(_PARTS.table, _WAITING, (slot, ""))
        return [_PARTS.decode(record) for record in self.storage.find(query, limit)]

    def use_parts(self, uses: Sequence[tuple[str, str]]) -> list[bool]:
        takes = [Patch(_PARTS.table, part_id, {"run_id": run_id}, {"run_id": ""}) for part_id, run_id in uses]
        outcomes = self.storage.write(takes)
        return [
            outcome.applied or outcome.current is None or outcome.current["run_id"] == run_id
            for outcome, (_, run_id) in zip(outcomes, uses, strict=True)
        ]

    def free_parts(self, uses: Sequence[tuple[str, str]]) -> None:
        self.storage.write(
            [Patch(_PARTS.table, part_id, {"run_id": ""}, {"run_id": run_id}) for part_id, run_id in uses]
        )

    # --- waits -------------------------------------------------------------------------

    def save_waits(self, waits: Sequence[EventWait]) -> None:
        self.storage.write([_WAITS.insert(wait) for wait in waits])

    def find_waits(self, code: str) -> list[EventWait]:
        return [
            _WAITS.decode(each) for each in find_all(self.storage, Query(_WAITS.table, _BY_AWAITED, (code,)))
        ]

    def delete_waits(self, wait_ids: Sequence[str]) -> None:
        self.storage.write([Delete(_WAITS.table, each) for each in wait_ids])

    # --- marks and signals -------------------------------------------------------------

    def read_marks(self, names: Sequence[str]) -> list[Mark | None]:
        return _MARKS.decode_all(self.storage.read(_MARKS.table, names))

    def swap_marks(self, swaps: Sequence[MarkSwap], wake: bool = False) -> list[bool]:
        outcomes = self.storage.write([_swap(*swap) for swap in swaps])
        if wake:
            self.storage.execute([Notify((DEFINED,))])
        return [outcome.applied for outcome in outcomes]

    def subscribe(self) -> Subscription:
        return self.storage.subscribe([OCCURRED, DEFINED])

    def now(self) -> float:
        return self.storage.now()

    def forget(self, before: float, limit: int = 500) -> int:
        queries = (
            Query(_OCCURRENCES.table, _OPEN, (0,), high=before, fields=("at",)),
            Query(_RUNS.table, _BY_TIME, high=before, fields=("at",)),
            Query(_PARTS.table, _BY_TIME, high=before, fields=("at",)),
        )
        deletes = [
            Delete(query.table, record_key(record))
            for query in queries
            for record in self.storage.find(query, limit)
        ]
        if deletes:
            self.storage.write(deletes)
        return len(deletes)


def _swap(before: Mark | None, after: Mark | None) -> Write:
    if before is None:
        if after is None:
            raise ValueError("a swap needs a mark before or after")
        return _MARKS.insert(after)
    guard: dict[str, Scalar] = {"text": before.text, "number": before.number}
    if after is None:
        return Delete(_MARKS.table, before.name, guard)
    return Patch(_MARKS.table, before.name, {"text": after.text, "number": after.number}, guard)


class MemTrigger(StorageTrigger):
    """Triggers in the memory of this process."""

    driver = MemoryDriver
    shared_between_processes = False


class SQLiteTrigger(StorageTrigger):
    """Triggers in a SQLite file."""

    driver = SQLiteDriver
