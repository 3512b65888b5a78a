"""What a running task can do in its workflow: operations that are recorded."""

from __future__ import annotations

import asyncio
import random
import threading
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from pynenc.exceptions import EventTimeoutError, WorkflowUsageError
from pynenc.identifiers.ids import derived_id
from pynenc.orchestrator.parking import NEVER, Parking
from pynenc.state_backend.workflow_records import Step
from pynenc.trigger.conditions import Filter
from pynenc.trigger.filters import check_filter, passes
from pynenc.types import Params, Result
from pynenc.workflow.branches import Branch
from pynenc.workflow.host import Host
from pynenc.workflow.identity import WorkflowIdentity
from pynenc.workflow.journal import Entry, Place
from pynenc.workflow.run import EVENT, DurableRun
from pynenc.workflow.saga import Saga
from pynenc.workflow.steps import Attempts
from pynenc.workflow.waits import AsyncWaits

if TYPE_CHECKING:
    from pynenc.invocation.base_invocation import BaseInvocation
    from pynenc.task import Task, TaskWithOptions

R = TypeVar("R")
SLEEP, WAIT = "sleep", "wait_event"
_LONGEST_S = 3600.0
_LOOK_AGAIN_S = 30.0
_SOON_S = 0.05


class WorkflowContext:
    """The workflow of the running invocation, reached as `task.wf`.

    What these methods give is recorded before they return. If the body runs again, after a crash, a
    retry or a long wait, they give what was recorded, in the order in which they are called.

    Attributes:
        identity: Which workflow it is.
        run: The recorded operations, for who runs the body.
        waits: The waits of its coroutines, likewise.
    """

    def __init__(
        self, identity: WorkflowIdentity, run: DurableRun, host: Host, waits: AsyncWaits, park_after_s: float
    ) -> None:
        self.identity = identity
        self.run = run
        self._host = host
        self.waits = waits
        self._park_after_s = park_after_s
        self._heard = 0

    @property
    def root(self) -> WorkflowContext:
        """The same, in the body at the root of a workflow.

        Raises:
            WorkflowUsageError: The running invocation is not the root.
        """
        if self.identity.workflow_id != self._host.invocation_id:
            raise WorkflowUsageError(
                f"invocation {self._host.invocation_id} is not the root of its workflow, which is "
                f"{self.identity.workflow_id} of {self.identity.workflow_type}"
            )
        return self

    # --- values ------------------------------------------------------------------------

    def random(self) -> float:
        """A random number from 0 up to 1."""
        return float(self.run.perform("random", "", lambda _: random.random()))

    def utc_now(self) -> datetime:
        """The time (UTC, aware)."""
        moment = self.run.perform("utc_now", "", lambda _: self.run.journal.now())
        return datetime.fromtimestamp(moment, UTC)

    def uuid(self) -> str:
        """A random UUID, as text."""
        return str(self.run.perform("uuid", "", lambda _: str(uuid.uuid4())))

    def set_data(self, key: str, value: Any) -> None:
        """Set a value that all invocations of the workflow share."""
        self.run.perform("set_data", key, lambda _: None, [(key, value)])

    def get_data(self, key: str, default: Any = None) -> Any:
        """A value that the workflow shares, or the default if there is none."""

        def read(_: Place) -> Any:
            found = self.run.journal.read_shared(key)
            return default if found is None else found[0]

        return self.run.perform("get_data", key, read)

    def patched(self, name: str) -> bool:
        """Whether to do what a change of the code has brought.

        False in an invocation that had gone past this place before the change, true in all others.
        """
        return self.run.patched(name)

    # --- children and steps ------------------------------------------------------------

    def execute_task(
        self,
        task: Task[Params, Result] | TaskWithOptions[Params, Result],
        *args: Params.args,
        **kwargs: Params.kwargs,
    ) -> BaseInvocation[Params, Result]:
        """Start a child once, however often the body runs.

        Raises:
            TypeError: The arguments do not fit the task.
        """
        started: list[Any] = []

        def start(place: Place) -> str:
            branch, index = place
            where = (str(self._host.generation), branch, str(index), str(self.run.attempt))
            child_id = derived_id("child", self._host.invocation_id, *where)
            started.append(self._host.start(task, args, kwargs, child_id))
            return str(started[0].invocation_id)

        plain: Any = getattr(task, "task", task)
        place: list[Place] = []
        child_id = self.run.perform("task", plain.task_id.key, start, at=place.append)
        child: BaseInvocation[Params, Result] = (
            started[0] if started else self._host.handle(task, args, kwargs, child_id)
        )
        self.run.add_child(child, place[0])
        return child

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
        """Like `step`, with a function that gives an awaitable."""
        attempts = Attempts(name, retries, retry_for, retry_delay, timeout)
        branch, place = self.run.begin("step", name)
        step = self.run.recorded(branch, place, "step", name)
        if step is None:
            self.run.tell_cancelled(place)
            with self.waits.busy():
                try:
                    entry = Entry(place, "step", name, await attempts.run_async(function))
                except Exception as error:  # noqa: BLE001 - recorded, and raised below
                    entry = Entry(place, "step", name, error, is_error=True)
            step = self.run.record(branch, entry)
        value: R = self.run.outcome(step)
        return value

    def saga(self) -> Saga:
        """A block whose compensations run if it is left by an exception; see `Saga`."""
        return Saga(self)

    def continue_as_new(self, *args: Any, **kwargs: Any) -> None:
        """Run the body again with other arguments and an empty record; does not return.

        The invocation stays the same, so who waits for its result gets that of the last run.

        Raises:
            TypeError: The arguments do not fit the task.
        """
        self.run.begin("continue_as_new", "")
        self._host.continue_with(args, kwargs)
        raise self.run.park(Parking(0.0, "continue as new", None, self._host.generation + 1))

    # --- waiting -----------------------------------------------------------------------

    def sleep(self, duration: float | timedelta) -> None:
        """Wait; for long waits the body is left and runs again when the time is over.

        Args:
            duration: Seconds or timedelta.

        Raises:
            InvocationCancelledError: The invocation was cancelled.
        """
        due = self._due(duration)
        parking = self._parking(due, f"until {_told(due)}")
        while not self._is_over(due):
            self._sit_out(parking)

    async def async_sleep(self, duration: float | timedelta) -> None:
        """Like `sleep`, for coroutines."""
        due = self._due(duration)
        parking = self._parking(due, f"until {_told(due)}")
        await self._sit_out_async(parking, lambda: self._is_over(due) or None)

    def wait_event(
        self, code: str, filter: Filter | None = None, timeout: float | timedelta | None = None
    ) -> Any:
        """Wait for an event: one that was sent to this invocation by `app.send_event`, or one that
        is emitted for anybody by `app.trigger.emit_event` while it waits.

        Args:
            code: What kind of event.
            filter: On its payload: values or operators by dotted path, or a function.
            timeout: Longest wait (seconds or timedelta).

        Returns:
            The payload. Each event is given once; one that came before the wait counts.

        Raises:
            EventTimeoutError: None came in time.
            InvocationCancelledError: The invocation was cancelled.
        """
        deadline, branch, place = self._begin_wait(code, filter, timeout)
        while (step := self._listen(branch, place, code, filter, deadline)) is None:
            self._sit_out(self._parking(deadline, f"event '{code}'", self._heard))
        return self._told_of(step, code)

    async def async_wait_event(
        self, code: str, filter: Filter | None = None, timeout: float | timedelta | None = None
    ) -> Any:
        """Like `wait_event`, for coroutines."""
        deadline, branch, place = self._begin_wait(code, filter, timeout)
        step = self._listen(branch, place, code, filter, deadline)
        if step is None:
            parking = self._parking(deadline, f"event '{code}'", self._heard)
            step = await self._sit_out_async(
                parking, lambda: self._listen(branch, place, code, filter, deadline)
            )
        return self._told_of(step, code)

    @property
    def first_look_s(self) -> float:
        """After how many seconds of waiting for others to look whether to park."""
        return max(self._park_after_s, _SOON_S)

    def park_for(self, invocation_ids: Sequence[str]) -> None:
        """Leave the body if what it waits for is a child workflow which is parked itself.

        The end of the child wakes it; should that be lost, it looks again by itself, ever less often.
        """
        if not self.run.is_workflow:
            return
        heard = self._host.events_counted()
        child = self._host.parked_child(invocation_ids)
        if child is not None:
            child_id, made_at = child
            now = self.run.journal.now()
            due = now + max(_LOOK_AGAIN_S, now - made_at)
            raise self.run.park(self._parking(due, f"workflow {child_id}", heard))

    def _due(self, duration: float | timedelta) -> float:
        seconds = _seconds(duration, "a sleep")
        return float(self.run.perform(SLEEP, "", lambda _: self.run.journal.now() + seconds))

    def _is_over(self, due: float) -> bool:
        self.run.tell_cancelled_ahead(SLEEP)
        return due <= self.run.journal.now()

    def _begin_wait(
        self, code: str, filter: Filter | None, timeout: float | timedelta | None
    ) -> tuple[float, Branch, Place]:
        if not isinstance(code, str) or not code:
            raise ValueError(f"an event needs a code, which is a text that is not empty, not {code!r}")
        check_filter(filter, f"event '{code}'")
        seconds = None if timeout is None else _seconds(timeout, "a timeout")

        def until(_: Place) -> float:
            return NEVER if seconds is None else self.run.journal.now() + seconds

        deadline = float(self.run.perform(WAIT, code, until))
        branch, place = self.run.begin(EVENT, code)
        return deadline, branch, place

    def _listen(
        self, branch: Branch, place: Place, code: str, filter: Filter | None, deadline: float
    ) -> Step | None:
        """What the wait has come to, once it has."""
        step = self.run.recorded(branch, place, EVENT, code)
        if step is not None:
            return step
        self.run.tell_cancelled(place)
        self._heard = self._host.events_counted()  # first, so that none slips through
        events = self.run.journal.events()
        used = self.run.used_events()
        for event in events:
            if event.code == code and event.event_id not in used:
                payload = msgspec.json.decode(event.payload)
                if passes(filter, payload):
                    value = {"event_id": event.event_id, "payload": payload}
                    return self._heard_it(branch, Entry(place, EVENT, code, value))
        if deadline <= self.run.journal.now():
            return self._heard_it(branch, Entry(place, EVENT, code, None))
        self._host.expect(place, code, filter)
        return None

    def _heard_it(self, branch: Branch, entry: Entry) -> Step:
        step = self.run.record(branch, entry)
        self._host.expect_no_more(entry.place)
        return step

    def _told_of(self, step: Step, code: str) -> Any:
        value = self.run.journal.value(step)
        if value is None:
            raise EventTimeoutError(f"no event '{code}' came in time")
        return value["payload"]

    def _parking(self, due: float, words: str, heard: int | None = None) -> Parking:
        return Parking(due, words, heard, self._host.generation)

    def _sit_out(self, parking: Parking) -> None:
        """Sit out a short wait, or leave the body for a long one."""
        remaining = parking.due - self.run.journal.now()
        if remaining > self._park_after_s:
            raise self.run.park(parking)
        over = threading.Event()
        with ExitStack() as listening:
            listening.enter_context(self.run.interruption.waking(over.set))
            if parking.heard is not None:
                listening.enter_context(self._host.subscribe(over.set))
                if self._host.events_counted() != parking.heard:
                    return
            if not self.run.interruption.is_requested or self.run.interruption.is_heard:
                over.wait(max(0.0, min(remaining, _LONGEST_S)))

    async def _sit_out_async(self, parking: Parking, ready: Callable[[], R | None]) -> R:
        loop, woken = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            loop.call_soon_threadsafe(woken.set)

        with self.run.interruption.waking(wake), self._host.subscribe(wake):
            async with self.waits.waiting(parking):
                while (found := ready()) is None:
                    remaining = max(0.0, min(parking.due - self.run.journal.now(), _LONGEST_S))
                    try:
                        await asyncio.wait_for(woken.wait(), remaining)
                    except TimeoutError:
                        continue
                    woken.clear()
        return found


def _seconds(value: float | timedelta, what: str) -> float:
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if not 0 <= seconds < NEVER:
        raise ValueError(f"{what} takes a time that is not negative, not {value!r}")
    return seconds


def _told(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
