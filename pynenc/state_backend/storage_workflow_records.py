"""What workflows record, on any storage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pynenc.state_backend.workflow_records import Step, WorkflowEvent, WorkflowRecords, WorkflowValue
from pynenc.storage.base_storage import Storage, find_all
from pynenc.storage.group import Group, Mapped, Pending
from pynenc.storage.operations import Cursor, Delete, Index, Outcome, Patch, Query, Table, Write, record_key
from pynenc.storage.records import RecordCodec

_OF_INVOCATION = Index(("invocation_id",), "at")
_OF_WORKFLOW = Index(("workflow_id",), "at")
_STEPS = RecordCodec("workflow_step", Step, (_OF_INVOCATION,))
_VALUES = RecordCodec("workflow_value", WorkflowValue, (_OF_WORKFLOW,))
_EVENTS = RecordCodec("workflow_event", WorkflowEvent, (_OF_INVOCATION,))

WORKFLOW_TABLES: tuple[Table, ...] = (_STEPS.table, _VALUES.table, _EVENTS.table)
_MANY = 500


def _new(outcomes: list[Outcome]) -> list[bool]:
    return [outcome.applied for outcome in outcomes]


class StorageWorkflowRecords(WorkflowRecords):
    """Records of a storage."""

    storage: Storage

    def save_steps(self, steps: Sequence[Step]) -> list[bool]:
        return _new(self.storage.write([_STEPS.insert(step) for step in steps]))

    def stage_save_steps(self, group: Group, steps: Sequence[Step]) -> Pending[list[bool]]:
        return Mapped(group.write(self.storage, [_STEPS.insert(step) for step in steps]), _new)

    def read_steps(self, step_ids: Sequence[str]) -> list[Step | None]:
        return _STEPS.decode_all(self.storage.read(_STEPS.table, step_ids))

    def find_steps(self, invocation_id: str, limit: int, after: Cursor | None = None) -> list[Step]:
        query = Query(_STEPS.table, _OF_INVOCATION, (invocation_id,))
        return [_STEPS.decode(record) for record in self.storage.find(query, limit, after)]

    def delete_steps(self, step_ids: Sequence[str]) -> None:
        self.storage.write([Delete(_STEPS.table, each) for each in step_ids])

    def set_values(self, values: Sequence[WorkflowValue]) -> None:
        self.storage.write(_upserts(values))

    def stage_set_values(self, group: Group, values: Sequence[WorkflowValue]) -> None:
        group.write(self.storage, _upserts(values))

    def read_values(self, value_ids: Sequence[str]) -> list[WorkflowValue | None]:
        return _VALUES.decode_all(self.storage.read(_VALUES.table, value_ids))

    def find_values(self, workflow_id: str) -> list[WorkflowValue]:
        query = Query(_VALUES.table, _OF_WORKFLOW, (workflow_id,))
        return [_VALUES.decode(record) for record in find_all(self.storage, query)]

    def save_events(self, events: Sequence[WorkflowEvent]) -> None:
        self.storage.write([_EVENTS.insert(event) for event in events])

    def find_events(self, invocation_id: str) -> list[WorkflowEvent]:
        query = Query(_EVENTS.table, _OF_INVOCATION, (invocation_id,))
        return [_EVENTS.decode(record) for record in find_all(self.storage, query)]

    def count_events(self, invocation_id: str) -> int:
        return self.storage.count(Query(_EVENTS.table, _OF_INVOCATION, (invocation_id,)))

    def forget_workflows(self, invocation_ids: Sequence[str]) -> None:
        for invocation_id in invocation_ids:
            deletes = list(self._of(invocation_id))
            for start in range(0, len(deletes), _MANY):
                self.storage.write(deletes[start : start + _MANY])

    def _of(self, invocation_id: str) -> Iterator[Delete]:
        """Deletes of all that belongs to an invocation."""
        for codec, index in ((_STEPS, _OF_INVOCATION), (_EVENTS, _OF_INVOCATION), (_VALUES, _OF_WORKFLOW)):
            query = Query(codec.table, index, (invocation_id,), fields=("at",))
            for record in find_all(self.storage, query):
                yield Delete(codec.table, record_key(record))


def _upserts(values: Sequence[WorkflowValue]) -> list[Write]:
    writes: list[Write] = []
    for value in values:
        writes.append(_VALUES.insert(value))
        writes.append(Patch(_VALUES.table, value.value_id, {"payload": value.payload, "at": value.at}))
    return writes
