"""The records of workflows: steps, values and events."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pynenc.state_backend.large_values import LargeValueRecords
from pynenc.storage.group import Group, Pending
from pynenc.storage.operations import Cursor, Index
from pynenc.storage.record_store import Amend, Lookup, RecordSpec, Remove, Save, upserts


class Step(msgspec.Struct, frozen=True):
    """One recorded operation of an invocation's body; written once.

    Attributes:
        step_id: See `step_id`.
        invocation_id: Whose body.
        generation: How often it had continued as new.
        branch: Empty for the body itself; for coroutines that run side by side, whose branch it is.
        index: The place within the branch, from 0.
        kind: What kind of operation.
        name: What it was called: of a child the task, of a step its name.
        payload: Its value, packed.
        is_error: 1 if the value is an exception.
        at: When it was recorded, in seconds since the epoch.
    """

    step_id: str = msgspec.field(name="key")
    invocation_id: str
    generation: int
    branch: str
    index: int
    kind: str
    name: str
    payload: str
    is_error: int
    at: float


def step_id(invocation_id: str, generation: int, branch: str, index: int) -> str:
    """Return the id of the step at a place."""
    return f"{invocation_id}/{generation}/{branch}/{index}"


class WorkflowValue(msgspec.Struct, frozen=True):
    """A value that the invocations of a workflow share.

    Attributes:
        value_id: See `value_id`.
        workflow_id: Whose.
        name: Its name.
        payload: The value, packed.
        at: When it was set, in seconds since the epoch.
    """

    value_id: str = msgspec.field(name="key")
    workflow_id: str
    name: str
    payload: str
    at: float


def value_id(workflow_id: str, name: str) -> str:
    """Return the id of a value."""
    return f"{workflow_id}/{name}"


class WorkflowEvent(msgspec.Struct, frozen=True):
    """An event that was sent to an invocation.

    Attributes:
        event_id: Its id.
        invocation_id: To whom.
        code: What kind of event.
        payload: JSON text.
        at: When it was sent, in seconds since the epoch.
        is_used: 1 if the body was given it before it continued as new, so that it is not given again.
    """

    event_id: str = msgspec.field(name="key")
    invocation_id: str
    code: str
    payload: str
    at: float
    is_used: int = 0


ARGUMENTS = "arguments"
"""The branch and kind of the step that holds the arguments with which a body continues as new."""

STEP, WORKFLOW_VALUE, WORKFLOW_EVENT = "workflow_step", "workflow_value", "workflow_event"
"""Names of tables."""

WORKFLOW_RECORDS = (
    RecordSpec(Step, STEP, (Index(("invocation_id",), "at"),)),
    RecordSpec(WorkflowValue, WORKFLOW_VALUE, (Index(("workflow_id",), "at"),)),
    RecordSpec(WorkflowEvent, WORKFLOW_EVENT, (Index(("invocation_id",), "at"), Index((), "at"))),
)
"""The kinds of records that workflows need."""


class WorkflowRecords(LargeValueRecords):
    """The part of a state backend that keeps what workflows record."""

    def save_steps(self, steps: Sequence[Step]) -> list[bool]:
        """Store steps; whether each is new. One that is there already is left alone."""
        self.note_uses(STEP, steps)
        return self.write([Save(step) for step in steps])

    def stage_save_steps(self, group: Group, steps: Sequence[Step]) -> Pending[list[bool]]:
        """Save steps as a step of a group."""
        self.note_uses(STEP, steps, group=group)
        return self.stage_write(group, [Save(step) for step in steps])

    def read_steps(self, step_ids: Sequence[str]) -> list[Step | None]:
        """Return steps in order, None where there is none."""
        return self.read(Step, step_ids)

    def find_steps(self, invocation_id: str, limit: int, after: Cursor | None = None) -> list[Step]:
        """Return the steps of an invocation, oldest first, behind `after` (its `at` and id) if given."""
        return self.find(Step, Lookup(Step, {"invocation_id": invocation_id}), limit, after)

    def delete_steps(self, step_ids: Sequence[str]) -> None:
        """Delete steps; absent ones are fine."""
        self.write([Remove(Step, each) for each in step_ids])

    def set_values(self, values: Sequence[WorkflowValue]) -> None:
        """Store values in place of those with the same names."""
        self.note_uses(WORKFLOW_VALUE, values)
        self.write(upserts(values, ("payload", "at")))

    def stage_set_values(self, group: Group, values: Sequence[WorkflowValue]) -> None:
        """Set values as a step of a group."""
        self.note_uses(WORKFLOW_VALUE, values, group=group)
        self.stage_write(group, upserts(values, ("payload", "at")))

    def read_values(self, value_ids: Sequence[str]) -> list[WorkflowValue | None]:
        """Return values in order, None where there is none."""
        return self.read(WorkflowValue, value_ids)

    def find_values(self, workflow_id: str) -> list[WorkflowValue]:
        """Return all values of a workflow, the latest last."""
        return self.find_all(WorkflowValue, Lookup(WorkflowValue, {"workflow_id": workflow_id}))

    def save_events(self, events: Sequence[WorkflowEvent]) -> None:
        """Store events; one that is there already is left alone."""
        self.write([Save(event) for event in events])

    def use_events(self, event_ids: Sequence[str]) -> None:
        """Note that events are used up; absent ones are fine."""
        self.write([Amend(WorkflowEvent, each, {"is_used": 1}) for each in event_ids])

    def find_events(self, invocation_id: str, since: float | None = None) -> list[WorkflowEvent]:
        """Return the events that were sent to an invocation, at some time or later, oldest first."""
        lookup = Lookup(WorkflowEvent, {"invocation_id": invocation_id}, low=since)
        return self.find_all(WorkflowEvent, lookup)

    def count_events(self, invocation_id: str) -> int:
        """Return how many events were sent to an invocation."""
        return self.count(Lookup(WorkflowEvent, {"invocation_id": invocation_id}))

    def find_old_events(self, before: float, limit: int, after: Cursor | None = None) -> list[WorkflowEvent]:
        """Return events that were sent before a moment, oldest first."""
        return self.find(WorkflowEvent, Lookup(WorkflowEvent, high=before), limit, after)

    def delete_events(self, event_ids: Sequence[str]) -> None:
        """Delete events; absent ones are fine."""
        self.write([Remove(WorkflowEvent, each) for each in event_ids])

    def forget_workflows(self, invocation_ids: Sequence[str]) -> None:
        """Delete everything that was recorded for invocations, however much that is."""
        for invocation_id in invocation_ids:
            for lookup in (
                Lookup(Step, {"invocation_id": invocation_id}),
                Lookup(WorkflowEvent, {"invocation_id": invocation_id}),
                Lookup(WorkflowValue, {"workflow_id": invocation_id}),
            ):
                self.remove_all(lookup)
