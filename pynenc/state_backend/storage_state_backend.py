"""The state backend on any storage, and its in-memory and SQLite bindings."""

from __future__ import annotations

from collections.abc import Sequence

from pynenc.invocation.data import InvocationData, OutcomeData, outcome_id, recovery_outcome_id
from pynenc.state_backend.base_state_backend import BaseStateBackend, RunnerData
from pynenc.state_backend.storage_workflow_records import WORKFLOW_TABLES, StorageWorkflowRecords
from pynenc.storage.drivers import MemoryDriver, SQLiteDriver, StorageComponent
from pynenc.storage.group import Group, Mapped, Pending
from pynenc.storage.operations import Cursor, Delete, Index, Query
from pynenc.storage.records import RecordCodec

_BY_TIME = Index((), "created_at")
_BY_TASK = Index(("task_id",), "created_at")
_INVOCATIONS = RecordCodec("invocation", InvocationData, (_BY_TIME, _BY_TASK))
_OUTCOMES = RecordCodec("outcome", OutcomeData)
_RUNNERS = RecordCodec("runner", RunnerData)


class StorageStateBackend(StorageComponent, StorageWorkflowRecords, BaseStateBackend):
    """Records of a storage."""

    tables = (_INVOCATIONS.table, _OUTCOMES.table, _RUNNERS.table, *WORKFLOW_TABLES)

    def save_invocations(self, invocations: Sequence[InvocationData]) -> None:
        self.storage.write([_INVOCATIONS.insert(invocation) for invocation in invocations])

    def stage_save_invocations(self, group: Group, invocations: Sequence[InvocationData]) -> None:
        group.write(self.storage, [_INVOCATIONS.insert(invocation) for invocation in invocations])

    def read_invocations(self, invocation_ids: Sequence[str]) -> list[InvocationData | None]:
        return _INVOCATIONS.decode_all(self.storage.read(_INVOCATIONS.table, invocation_ids))

    def stage_read_invocations(
        self, group: Group, invocation_ids: Sequence[str]
    ) -> Pending[list[InvocationData | None]]:
        reply = group.read(self.storage, _INVOCATIONS.table, invocation_ids)
        return Mapped(reply, _INVOCATIONS.decode_all)

    def find_invocations(
        self,
        task_id: str | None = None,
        since: float | None = None,
        until: float | None = None,
        limit: int = 100,
        after: Cursor | None = None,
    ) -> list[InvocationData]:
        index, equals = (_BY_TIME, ()) if task_id is None else (_BY_TASK, (task_id,))
        query = Query(_INVOCATIONS.table, index, equals, since, until, descending=True)
        return [_INVOCATIONS.decode(record) for record in self.storage.find(query, limit, after)]

    def save_outcomes(self, outcomes: Sequence[OutcomeData]) -> None:
        self.storage.write([_OUTCOMES.insert(outcome) for outcome in outcomes])

    def stage_save_outcomes(self, group: Group, outcomes: Sequence[OutcomeData]) -> None:
        group.write(self.storage, [_OUTCOMES.insert(outcome) for outcome in outcomes])

    def read_outcomes(self, outcome_ids: Sequence[str]) -> list[OutcomeData | None]:
        return _OUTCOMES.decode_all(self.storage.read(_OUTCOMES.table, outcome_ids))

    def stage_read_outcomes(
        self, group: Group, outcome_ids: Sequence[str]
    ) -> Pending[list[OutcomeData | None]]:
        return Mapped(group.read(self.storage, _OUTCOMES.table, outcome_ids), _OUTCOMES.decode_all)

    def delete(self, claims: Sequence[tuple[str, int]]) -> None:
        deletes = [Delete(_INVOCATIONS.table, invocation_id) for invocation_id, _ in claims]
        for invocation_id, last in claims:
            keys = [outcome_id(invocation_id, claim) for claim in range(1, last + 1)]
            keys.append(recovery_outcome_id(invocation_id, last))
            deletes += [Delete(_OUTCOMES.table, key) for key in keys]
        self.storage.write(deletes)

    def save_runners(self, runners: Sequence[RunnerData]) -> None:
        self.storage.write([_RUNNERS.insert(runner) for runner in runners])

    def read_runners(self, runner_ids: Sequence[str]) -> list[RunnerData | None]:
        return _RUNNERS.decode_all(self.storage.read(_RUNNERS.table, runner_ids))


class MemStateBackend(StorageStateBackend):
    """State in the memory of this process."""

    driver = MemoryDriver
    shared_between_processes = False


class SQLiteStateBackend(StorageStateBackend):
    """State in a SQLite file."""

    driver = SQLiteDriver
