"""The operations of a running task in its workflow, which are recorded."""

from __future__ import annotations

import random
import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from pynenc.calls.interfaces import BaseInvocation, Submittable
from pynenc.exceptions import WorkflowUsageError
from pynenc.identifiers.ids import derived_id
from pynenc.invocation.workflow_identity import WorkflowIdentity
from pynenc.lifecycle.parking import Parking
from pynenc.types import Params, Result
from pynenc.workflow.attempts import GET_DATA, SET_DATA
from pynenc.workflow.coroutine_waits import AsyncWaits
from pynenc.workflow.first import FirstOperations
from pynenc.workflow.journal import Entry, Place
from pynenc.workflow.run import CHILD, EVENT, DurableRun
from pynenc.workflow.runtime import WorkflowRuntime
from pynenc.workflow.saga import Saga
from pynenc.workflow.steps import Attempts
from pynenc.workflow.updates import INTERNAL

R = TypeVar("R")


class WorkflowContext(FirstOperations):
    """The workflow of the running invocation, reached as `task.wf`.

    What these methods give is recorded before they return. If the body runs again, after a crash, a
    retry or a long wait, they give what was recorded, in the order in which they are called.

    Attributes:
        identity: Which workflow it is.
        run: The recorded operations, for who runs the body.
        waits: The waits of its coroutines, likewise.
    """

    def __init__(
        self,
        identity: WorkflowIdentity,
        run: DurableRun,
        runtime: WorkflowRuntime,
        waits: AsyncWaits,
        park_after_s: float,
    ) -> None:
        super().__init__(run, runtime, waits, park_after_s)
        self.identity = identity

    @property
    def root(self) -> WorkflowContext:
        """The same, in the body at the root of a workflow.

        Raises:
            WorkflowUsageError: The running invocation is not the root.
        """
        if self.identity.workflow_id != self._runtime.invocation_id:
            raise WorkflowUsageError(
                f"invocation {self._runtime.invocation_id} is not the root of its workflow, which is "
                f"{self.identity.workflow_id} of {self.identity.workflow_type}"
            )
        return self

    # --- values ------------------------------------------------------------------------

    def random(self) -> float:
        """Return a random number from 0 up to 1."""
        return float(self.run.perform("random", "", lambda _: random.random()))

    def utc_now(self) -> datetime:
        """Return the time (UTC, aware)."""
        moment = self.run.perform("utc_now", "", lambda _: self.run.journal.now())
        return datetime.fromtimestamp(moment, UTC)

    def uuid(self) -> str:
        """Return a random UUID, as text."""
        return str(self.run.perform("uuid", "", lambda _: str(uuid.uuid4())))

    def set_data(self, key: str, value: Any) -> None:
        """Set a value that all invocations of the workflow share.

        Raises:
            WorkflowUsageError: The key begins with `pynenc.`, which is for the framework's own.
        """
        if key.startswith(INTERNAL):
            raise WorkflowUsageError(f"the key {key!r} begins with '{INTERNAL}', which is not for users")
        self.run.perform(SET_DATA, key, lambda _: None, [(key, value)])

    def get_data(self, key: str, default: Any = None) -> Any:
        """Return a value that the workflow shares, or the default if there is none."""

        def read(_: Place) -> Any:
            found = self.run.journal.read_shared(key)
            return default if found is None else found[0]

        return self.run.perform(GET_DATA, key, read)

    def patched(self, name: str) -> bool:
        """Return whether to do what a change of the code has brought.

        False in an invocation that had gone past this place before the change, true in all others.
        """
        return self.run.patched(name)

    # --- children and steps ------------------------------------------------------------

    def execute_task(
        self,
        task: Submittable[Params, Result],
        *args: Params.args,
        **kwargs: Params.kwargs,
    ) -> BaseInvocation[Params, Result]:
        """Start a child once, however often the body runs.

        Raises:
            TypeError: The arguments do not fit the task.
        """
        started: list[Any] = []

        def start(place: Place) -> str:
            child_id = self._derived("child", place)
            started.append(self._runtime.start(task, args, kwargs, child_id))
            return str(started[0].invocation_id)

        place: list[Place] = []
        child_id = self.run.perform(CHILD, task.base_task.task_id.key, start, at=place.append)
        child: BaseInvocation[Params, Result] = (
            started[0] if started else self._runtime.handle(task, args, kwargs, child_id)
        )
        self.run.add_child(child, place[0])
        return child

    def _derived(self, what: str, place: Place) -> str:
        """Return an id that follows from a place."""
        where = (str(self._runtime.generation), place[0], str(place[1]), str(self.run.attempt))
        return derived_id(what, self._runtime.invocation_id, *where)

    def step(
        self,
        name: str,
        function: Callable[[], R],
        *,
        retries: int = 0,
        retry_for: tuple[type[Exception], ...] = (Exception,),
        retry_delay: float = 0.0,
        timeout: float | None = None,
    ) -> R:
        """Call a function whose result, or exception, is recorded.

        If the process dies inside of it, it is called again; once it is recorded, never.

        Args:
            name: What to call it in the record.
            function: Without parameters; what it gives must be serializable.
            retries: How often it is called again after an exception.
            retry_for: After which exceptions.
            retry_delay: Seconds before it is called again, doubled each time.
            timeout: Seconds that one call may take.

        Raises:
            StepTimeoutError: The last call took longer than `timeout`.
        """
        attempts = Attempts(name, retries, retry_for, retry_delay, timeout)
        value: R = self.run.perform("step", name, lambda _: attempts.run(function), keep_errors=True)
        return value

    async def async_step(
        self,
        name: str,
        function: Callable[[], Awaitable[R]],
        *,
        retries: int = 0,
        retry_for: tuple[type[Exception], ...] = (Exception,),
        retry_delay: float = 0.0,
        timeout: float | None = None,
    ) -> R:
        """Do the same as `step` with a function that returns an awaitable."""
        attempts = Attempts(name, retries, retry_for, retry_delay, timeout)
        branch, place = self.run.begin("step", name)
        step = self.run.recorded(branch, place, "step", name)
        if step is None:
            self.run.raise_cancelled(place)
            self.run.journal.check_new()
            with self.waits.busy():
                try:
                    entry = Entry(place, "step", name, await attempts.run_async(function))
                except Exception as error:  # noqa: BLE001 - recorded, and raised below
                    entry = Entry(place, "step", name, error, is_error=True)
            step = self.run.record(branch, entry)
        value: R = self.run.outcome(step)
        return value

    def saga(self) -> Saga:
        """Return a block whose compensations run if it is left by an exception; see `Saga`."""
        return Saga(self)

    def continue_as_new(self, *args: Any, **kwargs: Any) -> None:
        """Run the body again with other arguments and an empty record; does not return.

        The invocation stays the same, so who waits for its result gets that of the last run.

        Raises:
            TypeError: The arguments do not fit the task.
        """
        self.run.begin("continue_as_new", "")
        self._runtime.continue_with(args, kwargs, sorted(self.run.used_events()))
        raise self.run.park(Parking(0.0, "continue as new", None, self._runtime.generation + 1))

    def send_event(self, invocation_id: str, code: str, payload: Mapping[str, Any] | None = None) -> str:
        """Send an event to another workflow, once; see `app.send_event`.

        Returns:
            The id of the event.
        """

        def send(place: Place) -> str:
            return self._runtime.send(invocation_id, code, payload, self._derived(EVENT, place))

        return str(self.run.perform("send_event", code, send, keep_errors=True))
