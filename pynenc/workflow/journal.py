"""Journals: where the recorded operations of a body come from and go to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from pynenc.exceptions import WorkflowUsageError
from pynenc.identifiers.texts import is_storable, shown
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.storage_retry import retry_while_unavailable
from pynenc.recording.recorder import STEP
from pynenc.state_backend.workflow_records import (
    ARGUMENTS,
    Step,
    WorkflowEvent,
    WorkflowValue,
    step_id,
    value_id,
)
from pynenc.storage.group import Group
from pynenc.storage.operations import Cursor
from pynenc.workflow.attempts import path_and_attempt, stored_branch
from pynenc.workflow.inbox import Inbox

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

    def load(self) -> tuple[dict[Place, Step], list[Step]]:
        """Return what this attempt has recorded, by place, and the stored steps of earlier ones."""

    def check_new(self) -> None:
        """Raise if nothing new may be done, because what is recorded is only replayed."""

    def record(self, entry: Entry, shared: Sequence[tuple[str, Any]] = ()) -> Step:
        """Record an operation, after setting values that the workflow shares.

        Returns:
            What is recorded at the place; another run may have been first.
        """

    def forget(self, places: Sequence[Place], others: Sequence[Step] = ()) -> None:
        """Drop what this attempt has recorded at places, and steps of earlier ones."""

    def value(self, step: Step) -> Any:
        """Return the value of a step, or its exception."""

    def read_shared(self, name: str) -> tuple[Any] | None:
        """Return a value that the workflow shares, or None if there is none with this name."""

    def events(self, counted: int) -> Sequence[WorkflowEvent]:
        """Return the events that were sent to the invocation, oldest first, but for those used up.

        Args:
            counted: How many its record counted before.
        """

    def now(self) -> float:
        """Return seconds since the epoch, by the clock that all runners share."""


class StoredJournal:
    """A journal in the state backend. While that is away, it waits: the body is not to blame.

    Args:
        components: The components.
        invocation_id: Whose operations.
        workflow_id: Whose values.
        generation: How often the invocation has continued as new.
        attempt: How often its body has asked for another run.
    """

    def __init__(
        self,
        components: Components,
        invocation_id: str,
        workflow_id: str,
        generation: int,
        attempt: int = 0,
    ) -> None:
        self._components = components
        self._invocation_id = invocation_id
        self._workflow_id = workflow_id
        self._generation = generation
        self._attempt = attempt
        self._inbox = Inbox(components, invocation_id)

    def _retry(self, act: Callable[[], T]) -> T:
        return retry_while_unavailable(self._components.logger, act)

    def load(self) -> tuple[dict[Place, Step], list[Step]]:
        return self._retry(self._load)

    def steps(self) -> Iterator[Step]:
        """Return all steps that are stored, oldest first, of earlier generations too."""
        after: Cursor | None = None
        while page := self._components.state_backend.find_steps(self._invocation_id, _PAGE, after):
            yield from page
            if len(page) < _PAGE:
                return
            after = Cursor(page[-1].at, page[-1].step_id)

    def current_steps(self) -> list[Step]:
        """Return what is recorded since the body last continued as new, of all attempts, oldest first."""
        return [
            step for step in self.steps() if step.generation == self._generation and step.kind != ARGUMENTS
        ]

    def _load(self) -> tuple[dict[Place, Step], list[Step]]:
        found: dict[Place, Step] = {}
        earlier: list[Step] = []
        outdated: list[str] = []
        for step in self.steps():
            path, attempt = path_and_attempt(step.branch)
            if step.generation == self._generation:
                if attempt == self._attempt:
                    found[path, step.index] = msgspec.structs.replace(step, branch=path)
                elif attempt < self._attempt:
                    earlier.append(step)
            elif step.generation < self._generation:
                outdated.append(step.step_id)
        if outdated:
            self._components.state_backend.delete_steps(outdated)
        return found, earlier

    def check_new(self) -> None:
        """Anything may be done."""

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
        known = None
        if is_new.get()[0]:
            self._components.recorder.note((STEP, "", "", entry.kind, 0.0))
        else:
            (known,) = self._components.state_backend.read_steps([step.step_id])
        return msgspec.structs.replace(known or step, branch=entry.place[0])

    def _step(self, entry: Entry) -> Step:
        path, index = entry.place
        branch = stored_branch(path, self._attempt)
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

    def forget(self, places: Sequence[Place], others: Sequence[Step] = ()) -> None:
        ids = [
            step_id(self._invocation_id, self._generation, stored_branch(path, self._attempt), index)
            for path, index in places
        ]
        ids += [step.step_id for step in others]
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

    def events(self, counted: int) -> Sequence[WorkflowEvent]:
        return self._retry(lambda: self._inbox.read(counted))

    def now(self) -> float:
        return self._retry(self._components.now)


class TransientJournal:
    """A journal in the memory of the process, for invocations that run inline.

    Args:
        shared: Values that the workflow shares.

    Attributes:
        attempt: How often the body has asked for another run.
    """

    def __init__(self, shared: dict[str, Any]) -> None:
        self._shared = shared
        self.attempt = 0
        self._steps: dict[tuple[int, Place], Step] = {}
        self._values: dict[str, Any] = {}

    def load(self) -> tuple[dict[Place, Step], list[Step]]:
        current = {place: step for (attempt, place), step in self._steps.items() if attempt == self.attempt}
        earlier = [
            msgspec.structs.replace(step, branch=stored_branch(step.branch, attempt))
            for (attempt, _), step in self._steps.items()
            if attempt < self.attempt
        ]
        return current, earlier

    def check_new(self) -> None:
        """Anything may be done."""

    def record(self, entry: Entry, shared: Sequence[tuple[str, Any]] = ()) -> Step:
        self._shared.update(shared)
        path, index = entry.place
        key, is_error = step_id("", 0, stored_branch(path, self.attempt), index), int(entry.is_error)
        step = Step(key, "", 0, path, index, entry.kind, entry.name, "", is_error, self.now())
        self._steps[self.attempt, entry.place] = step
        self._values[key] = entry.value
        return step

    def forget(self, places: Sequence[Place], others: Sequence[Step] = ()) -> None:
        gone = {(self.attempt, place) for place in places}
        for step in others:
            path, attempt = path_and_attempt(step.branch)
            gone.add((attempt, (path, step.index)))
        for key in gone:
            self._steps.pop(key, None)

    def value(self, step: Step) -> Any:
        return self._values[step.step_id]

    def read_shared(self, name: str) -> tuple[Any] | None:
        return (self._shared[name],) if name in self._shared else None

    def events(self, counted: int) -> Sequence[WorkflowEvent]:
        raise WorkflowUsageError(
            "no event can reach an invocation that runs inline (setting 'dev_mode_force_sync_tasks')"
        )

    def now(self) -> float:
        return time.time()


def check_name(kind: str, name: str) -> None:
    """Refuse a name that cannot be recorded.

    Raises:
        WorkflowUsageError: The name is not a string, or contains a lone surrogate.
    """
    if not isinstance(name, str):
        raise WorkflowUsageError(
            f"the name of a recorded operation ({kind}) is not a string: {shown(name, 80)}"
        )
    if not is_storable(name):
        raise WorkflowUsageError(
            f"the name {shown(name, 80)} of a recorded operation ({kind}) contains a lone surrogate, which "
            f"cannot be stored"
        )
