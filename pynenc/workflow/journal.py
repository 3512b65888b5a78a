"""Journals: where the recorded operations of a body come from and go to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from pynenc.exceptions import WorkflowUsageError
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.storage_retry import retry_while_unavailable
from pynenc.state_backend.workflow_records import Step, WorkflowEvent, WorkflowValue, step_id, value_id
from pynenc.storage.group import Group
from pynenc.storage.operations import Cursor

T = TypeVar("T")
_PAGE = 1000

Place = tuple[str, int]
"""A branch and the index within it."""


class Entry(msgspec.Struct, frozen=True):
    """An operation that is to be recorded.

    Attributes:
        place: Where.
        kind: What kind of operation.
        name: What it is called.
        value: Its value, or the exception that it raised.
        is_error: Whether `value` is an exception.
    """

    place: Place
    kind: str
    name: str
    value: Any
    is_error: bool = False


class Journal(Protocol):
    """Keeps the recorded operations of one invocation."""

    def load(self) -> dict[Place, Step]:
        """Return all that was recorded, by place."""

    def record(self, entry: Entry, shared: Sequence[tuple[str, Any]] = ()) -> Step:
        """Record an operation, after setting values that the workflow shares.

        Returns:
            What is recorded at the place; another run may have been first.
        """

    def forget(self, places: Sequence[Place]) -> None:
        """Drop what was recorded at places."""

    def value(self, step: Step) -> Any:
        """Return the value of a step, or its exception."""

    def read_shared(self, name: str) -> tuple[Any] | None:
        """Return a value that the workflow shares, or None if there is none with this name."""

    def events(self) -> list[WorkflowEvent]:
        """Return all events that were sent to the invocation, oldest first."""

    def now(self) -> float:
        """Return seconds since the epoch, by the clock that all runners share."""


class StoredJournal:
    """A journal in the state backend. While that is away, it waits: the body is not to blame.

    Args:
        components: The components.
        invocation_id: Whose operations.
        workflow_id: Whose values.
        generation: How often the invocation has continued as new.
    """

    def __init__(self, components: Components, invocation_id: str, workflow_id: str, generation: int) -> None:
        self._components = components
        self._invocation_id = invocation_id
        self._workflow_id = workflow_id
        self._generation = generation

    def _retry(self, act: Callable[[], T]) -> T:
        return retry_while_unavailable(self._components.logger, act)

    def load(self) -> dict[Place, Step]:
        return self._retry(self._load)

    def steps(self) -> Iterator[Step]:
        """Return all steps that are stored, oldest first, of earlier generations too."""
        after: Cursor | None = None
        while page := self._components.state_backend.find_steps(self._invocation_id, _PAGE, after):
            yield from page
            if len(page) < _PAGE:
                return
            after = Cursor(page[-1].at, page[-1].step_id)

    def _load(self) -> dict[Place, Step]:
        found: dict[Place, Step] = {}
        outdated: list[str] = []
        for step in self.steps():
            if step.generation == self._generation:
                found[step.branch, step.index] = step
            elif step.generation < self._generation:
                outdated.append(step.step_id)
        if outdated:
            self._components.state_backend.delete_steps(outdated)
        return found

    def record(self, entry: Entry, shared: Sequence[tuple[str, Any]] = ()) -> Step:
        return self._retry(lambda: self._record(entry, shared))

    def _record(self, entry: Entry, shared: Sequence[tuple[str, Any]]) -> Step:
        step = self._step(entry)
        group = Group()
        if shared:
            values = [
                WorkflowValue(
                    value_id(self._workflow_id, name),
                    self._workflow_id,
                    name,
                    self._components.values.pack_result(value),
                    step.at,
                )
                for name, value in shared
            ]
            self._components.state_backend.stage_set_values(group, values)
        is_new = self._components.state_backend.stage_save_steps(group, [step])
        group.send()
        if is_new.get()[0]:
            return step
        (known,) = self._components.state_backend.read_steps([step.step_id])
        return known or step

    def _step(self, entry: Entry) -> Step:
        branch, index = entry.place
        pack = self._components.values.pack_error if entry.is_error else self._components.values.pack_result
        return Step(
            step_id(self._invocation_id, self._generation, branch, index),
            self._invocation_id,
            self._generation,
            branch,
            index,
            entry.kind,
            entry.name,
            pack(entry.value),
            int(entry.is_error),
            self.now(),
        )

    def forget(self, places: Sequence[Place]) -> None:
        ids = [step_id(self._invocation_id, self._generation, branch, index) for branch, index in places]
        self._retry(lambda: self._components.state_backend.delete_steps(ids))

    def value(self, step: Step) -> Any:
        return self._retry(lambda: self._value(step))

    def _value(self, step: Step) -> Any:
        if step.is_error:
            return self._components.values.unpack_error(step.payload)
        return self._components.values.unpack_results([step.payload])[0]

    def read_shared(self, name: str) -> tuple[Any] | None:
        return self._retry(lambda: self._read_shared(name))

    def _read_shared(self, name: str) -> tuple[Any] | None:
        (found,) = self._components.state_backend.read_values([value_id(self._workflow_id, name)])
        return None if found is None else (self._components.values.unpack_results([found.payload])[0],)

    def events(self) -> list[WorkflowEvent]:
        return self._retry(lambda: self._components.state_backend.find_events(self._invocation_id))

    def now(self) -> float:
        return self._retry(self._components.now)


class TransientJournal:
    """A journal in the memory of the process, for invocations that run inline.

    Args:
        shared: Values that the workflow shares.
    """

    def __init__(self, shared: dict[str, Any]) -> None:
        self._shared = shared
        self._steps: dict[Place, Step] = {}
        self._values: dict[Place, Any] = {}

    def load(self) -> dict[Place, Step]:
        return dict(self._steps)

    def record(self, entry: Entry, shared: Sequence[tuple[str, Any]] = ()) -> Step:
        self._shared.update(shared)
        branch, index = entry.place
        key, is_error = step_id("", 0, branch, index), int(entry.is_error)
        step = Step(key, "", 0, branch, index, entry.kind, entry.name, "", is_error, self.now())
        self._steps[entry.place] = step
        self._values[entry.place] = entry.value
        return step

    def forget(self, places: Sequence[Place]) -> None:
        for place in places:
            self._steps.pop(place, None)

    def value(self, step: Step) -> Any:
        return self._values[step.branch, step.index]

    def read_shared(self, name: str) -> tuple[Any] | None:
        return (self._shared[name],) if name in self._shared else None

    def events(self) -> list[WorkflowEvent]:
        raise WorkflowUsageError(
            "no event can reach an invocation that runs inline (setting 'dev_mode_force_sync_tasks')"
        )

    def now(self) -> float:
        return time.time()
