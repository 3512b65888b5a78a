"""What a state backend keeps of workflows: recorded steps, values and events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import msgspec

from pynenc.storage.group import Group, Pending
from pynenc.storage.operations import Cursor


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
    """The id of the step at a place."""
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
    """The id of a value."""
    return f"{workflow_id}/{name}"


class WorkflowEvent(msgspec.Struct, frozen=True):
    """An event that was sent to an invocation.

    Attributes:
        event_id: Its id.
        invocation_id: To whom.
        code: What kind of event.
        payload: JSON text.
        at: When it was sent, in seconds since the epoch.
    """

    event_id: str = msgspec.field(name="key")
    invocation_id: str
    code: str
    payload: str
    at: float


class WorkflowRecords(ABC):
    """The part of a state backend that keeps what workflows record."""

    @abstractmethod
    def save_steps(self, steps: Sequence[Step]) -> list[bool]:
        """Store steps; whether each is new. One that is there already is left alone."""

    @abstractmethod
    def read_steps(self, step_ids: Sequence[str]) -> list[Step | None]:
        """Steps in order, None where there is none."""

    @abstractmethod
    def find_steps(self, invocation_id: str, limit: int, after: Cursor | None = None) -> list[Step]:
        """The steps of an invocation, oldest first, behind `after` (its `at` and id) if given."""

    @abstractmethod
    def delete_steps(self, step_ids: Sequence[str]) -> None:
        """Delete steps; absent ones are fine."""

    @abstractmethod
    def set_values(self, values: Sequence[WorkflowValue]) -> None:
        """Store values in place of those with the same names."""

    @abstractmethod
    def read_values(self, value_ids: Sequence[str]) -> list[WorkflowValue | None]:
        """Values in order, None where there is none."""

    @abstractmethod
    def find_values(self, workflow_id: str) -> list[WorkflowValue]:
        """All values of a workflow, the latest last."""

    @abstractmethod
    def save_events(self, events: Sequence[WorkflowEvent]) -> None:
        """Store events; one that is there already is left alone."""

    @abstractmethod
    def find_events(self, invocation_id: str) -> list[WorkflowEvent]:
        """All events that were sent to an invocation, oldest first."""

    @abstractmethod
    def count_events(self, invocation_id: str) -> int:
        """How many events were sent to an invocation."""

    @abstractmethod
    def forget_workflows(self, invocation_ids: Sequence[str]) -> None:
        """Delete everything that was recorded for invocations."""

    # A state backend on a storage overrides these, so that they travel with the writes of others.

    def stage_save_steps(self, group: Group, steps: Sequence[Step]) -> Pending[list[bool]]:
        """Save steps as a step of a group."""
        return group.call(lambda: self.save_steps(steps))

    def stage_set_values(self, group: Group, values: Sequence[WorkflowValue]) -> None:
        """Set values as a step of a group."""
        group.call(lambda: self.set_values(values))
