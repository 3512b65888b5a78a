"""Operations that wait: for a time, for an event, for a child that is parked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from pynenc.context import body_task
from pynenc.exceptions import EventTimeoutError, InvocationCancelledError
from pynenc.lifecycle.parking import NEVER, Parking
from pynenc.state_backend.workflow_records import Step
from pynenc.trigger.conditions.base import Filter
from pynenc.trigger.filter_checks import check_filter
from pynenc.trigger.filters import passes
from pynenc.trigger.records import check_code
from pynenc.workflow.branches import Branch
from pynenc.workflow.coroutine_waits import OF_NO_BODY, AsyncWaits
from pynenc.workflow.journal import Entry, Place
from pynenc.workflow.run import EVENT, DurableRun
from pynenc.workflow.runtime import WorkflowRuntime

R = TypeVar("R")
SLEEP, WAIT, GAVE_UP = "sleep", "wait_event", "gave_up"
_LONGEST_S = 3600.0
_DEEPEST = 20
LOOK_AGAIN_S = 30.0
"""After how many seconds a body looks by itself, in case the end of a child was lost."""
GIVEN_UP = False
"""Recorded for a wait that the body itself has cancelled."""
SOON_S = 0.05
"""A body that waits for others looks no sooner whether it is to be parked."""


class WaitingOperations:
    """The part of `task.wf` that waits.

    Attributes:
        run: The recorded operations, for who runs the body.
        waits: The waits of its coroutines, likewise.
    """

    def __init__(
        self, run: DurableRun, runtime: WorkflowRuntime, waits: AsyncWaits, park_after_s: float
    ) -> None:
        self.run = run
        self.waits = waits
        self._runtime = runtime
        self._park_after_s = park_after_s
        self.first_look_s = max(park_after_s, SOON_S)
        self._events_seen = 0

    def sleep(self, duration: float | timedelta) -> None:
        """Wait; for long waits the body is left and runs again when the time is over.

        Args:
            duration: Seconds or timedelta.

        Raises:
            InvocationCancelledError: The invocation was cancelled.
        """
        due = self._due(duration)
        parking = self._parking(due, f"until {described(due)}")
        while not self._is_over(due):
            self._sit_out(parking)

    async def async_sleep(self, duration: float | timedelta) -> None:
        """Do the same as `sleep`, for coroutines."""
        due = self._due(duration)
        if self.run.repeats(GAVE_UP, str(due)):
            await self._until_cancelled()
        parking = self._parking(due, f"until {described(due)}")
        try:
            await self._sit_out_async(parking, lambda: self._is_over(due) or None)
        except asyncio.CancelledError:
            if self._is_given_up():
                self.run.perform(GAVE_UP, str(due), lambda _: None)
            raise

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
            self._sit_out(self._parking(deadline, f"event '{code}'", self._events_seen))
        return self._payload_of(step, code)

    async def async_wait_event(
        self, code: str, filter: Filter | None = None, timeout: float | timedelta | None = None
    ) -> Any:
        """Do the same as `wait_event`, for coroutines."""
        deadline, branch, place = self._begin_wait(code, filter, timeout)
        step = self._listen(branch, place, code, filter, deadline)
        if step is None:
            parking = self._parking(deadline, f"event '{code}'", self._events_seen)
            try:
                step = await self._sit_out_async(
                    parking, lambda: self._listen(branch, place, code, filter, deadline)
                )
            except asyncio.CancelledError:
                self._give_up(branch, place, code, filter)
                raise
        if self.run.journal.value(step) is GIVEN_UP:
            await self._until_cancelled()
        return self._payload_of(step, code)

    def _give_up(self, branch: Branch, place: Place, code: str, filter: Filter | None) -> None:
        """Record that the body itself has cancelled a wait, so that the next run does not wait once more."""
        if self._is_given_up():
            self.run.record(branch, Entry(place, EVENT, code, GIVEN_UP))
            self._runtime.expect_no_more(place, code, filter, 0)

    async def _until_cancelled(self) -> None:
        """Wait until the body cancels this, as it did before, or until the invocation is cancelled."""

        def never() -> None:
            self.run.raise_cancelled_ahead(GAVE_UP)

        await self._sit_out_async(self._parking(NEVER, "what gives up a wait, as before"), never)

    def _is_given_up(self) -> bool:
        """Return whether it is the body itself that cancels a wait, and not what ends or parks the body."""
        body, interruption = body_task.get(), self.run.interruption
        if self.run.parking is not None or (body is not None and body.done()):
            return False
        return not (interruption.is_abandoned or interruption.is_requested)

    @property
    def is_replaying(self) -> bool:
        """True while the body repeats what an earlier run has recorded."""
        branch = self.run.branches.known()
        return branch is not None and branch.ahead in self.run.known

    def park_for(self, invocation_ids: Sequence[str]) -> None:
        """Leave the body if what it waits for is a child workflow which is parked itself.

        The end of the child wakes it; should that be lost, it looks again by itself, ever less often.
        """
        parking = self.child_parking(invocation_ids)
        if parking is not None:
            raise self.run.park(parking)

    def child_parking(self, invocation_ids: Sequence[str]) -> Parking | None:
        """Return how to park the body while it waits for children; None if none of them is parked itself."""
        if not self.run.is_workflow:
            return None
        events_seen = self._runtime.events_counted()
        child = self._runtime.parked_child(invocation_ids)
        if child is None:
            return None
        child_id, made_at = child
        now = self.run.journal.now()
        due = now + max(LOOK_AGAIN_S, now - made_at)
        return self._parking(due, f"workflow {child_id}", events_seen)

    # --- what engines and waiters ask, see `BodyRecord` ----------------------------------

    @property
    def parking(self) -> Parking | None:
        """The body's request to be parked, if it made one."""
        return self.run.parking

    @property
    def was_cancelled(self) -> bool:
        """True if the body has been told that it was cancelled."""
        return self.run.was_cancelled

    @property
    def misfit(self) -> Exception | None:
        """The error that says that the code does not fit the record, if that was seen."""
        return self.run.misfit

    @property
    def has_steps(self) -> bool:
        """True if anything was recorded."""
        return self.run.has_steps

    def left_tasks(self) -> list[asyncio.Task[Any]]:
        """Return the tasks of the event loop that still end when the body has been left to be parked."""
        if self.run.parking is None:
            return []
        tasks = (branch.task for branch in self.run.branches.all)
        return [task for task in tasks if isinstance(task, asyncio.Task) and not task.done()]

    def check_complete(self) -> None:
        """Refuse an end that comes before everything that was recorded."""
        self.run.check_complete()

    def forget_failure(self, error: BaseException) -> None:
        """Drop the operation that raised an error, so that the next run tries it again.

        The error of a timeout of asyncio belongs to the wait that it has cut short.
        """
        if not self.run.forget_failure(error) and _is_timeout(error):
            given_up = [step for step in self.run.recorded_steps() if self._was_given_up(step)]
            if given_up:
                last = max(given_up, key=lambda step: (step.at, step.index))
                self.run.forget_from((last.branch, last.index - 1))  # the sleep, or the time of the wait

    def _was_given_up(self, step: Step) -> bool:
        if step.kind == EVENT:
            return self.run.journal.value(step) is GIVEN_UP
        return step.kind == GAVE_UP

    def waiting_for(self, invocation_ids: Sequence[str]) -> AbstractContextManager[object]:
        """Return what to enter while the body waits for other invocations."""
        return self.run.waiting_for(invocation_ids)

    @contextmanager
    def coroutine_waiting_for(
        self, invocation_ids: Sequence[str]
    ) -> Iterator[Callable[[Parking | None], None]]:
        """Return what to enter while a coroutine of the body waits for other invocations."""
        with self.waits.for_children() as wait, self.run.waiting_for(invocation_ids):
            yield wait.look

    def _due(self, duration: float | timedelta) -> float:
        seconds = seconds_of(duration, "a sleep")
        return float(self.run.perform(SLEEP, "", lambda _: self.run.journal.now() + seconds))

    def _is_over(self, due: float) -> bool:
        self.run.raise_cancelled_ahead(SLEEP)
        return due <= self.run.journal.now()

    def _begin_wait(
        self, code: str, filter: Filter | None, timeout: float | timedelta | None
    ) -> tuple[float, Branch, Place]:
        check_code(code)
        check_filter(filter, f"event '{code}'", plain=True)
        seconds = None if timeout is None else seconds_of(timeout, "a timeout")

        def until(_: Place) -> float:
            return NEVER if seconds is None else self.run.journal.now() + seconds

        deadline = float(self.run.perform(WAIT, code, until))
        branch, place = self.run.begin(EVENT, code)
        return deadline, branch, place

    def _listen(
        self, branch: Branch, place: Place, code: str, filter: Filter | None, deadline: float
    ) -> Step | None:
        """Return what the wait has come to, once it has."""
        step = self.run.recorded(branch, place, EVENT, code)
        if step is not None:
            return step
        try:
            self.run.raise_cancelled(place)
        except InvocationCancelledError:
            self._runtime.expect_no_more(place, code, filter, 0)
            raise
        self._events_seen = self._runtime.events_counted()  # first, so that none slips through
        used = self.run.used_events()
        events = [
            event
            for event in self.run.journal.events(self._events_seen)
            if event.code == code and event.event_id not in used
        ]
        value: dict[str, Any] | None = None
        for event in events:
            payload = msgspec.json.decode(event.payload)
            if passes(filter, payload):
                value = {"event_id": event.event_id, "payload": payload}
                break
        if value is None and deadline > self.run.journal.now():
            self._runtime.expect(place, code, filter)
            return None
        step = self.run.record(branch, Entry(place, EVENT, code, value))
        left = len(events) - (value is not None)
        self._runtime.expect_no_more(place, code, filter, left)
        return step

    def _payload_of(self, step: Step, code: str) -> Any:
        value = self.run.journal.value(step)
        if value is None:
            raise EventTimeoutError(f"no event '{code}' came in time")
        return value["payload"]

    def _parking(self, due: float, words: str, events_seen: int | None = None) -> Parking:
        return Parking(due, words, events_seen, self._runtime.generation)

    def _sit_out(self, parking: Parking) -> None:
        """Sit out a short wait, or leave the body for a long one."""
        remaining = parking.due - self.run.journal.now()
        if remaining > self._park_after_s:
            raise self.run.park(parking)
        over = threading.Event()
        with ExitStack() as listening:
            listening.enter_context(self.run.interruption.waking(over.set))
            if parking.events_seen is not None:
                listening.enter_context(self._runtime.subscribe(over.set))
                if self._runtime.events_counted() != parking.events_seen:
                    return
            if not self.run.interruption.is_requested or self.run.interruption.is_acknowledged:
                over.wait(max(0.0, min(remaining, _LONGEST_S)))

    async def _sit_out_async(self, parking: Parking, ready: Callable[[], R | None]) -> R:
        loop, woken = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            loop.call_soon_threadsafe(woken.set)

        with self.run.interruption.waking(wake), self._runtime.subscribe(wake):
            async with self.waits.waiting(parking):
                while (found := ready()) is None:
                    remaining = max(0.0, min(parking.due - self.run.journal.now(), _LONGEST_S))
                    timer = loop.call_later(remaining, woken.set, context=OF_NO_BODY)
                    try:
                        await woken.wait()
                    finally:
                        timer.cancel()
                    woken.clear()
        return found


def _is_timeout(error: BaseException | None) -> bool:
    """Return whether an error is, or comes from, that of a timeout."""
    for _ in range(_DEEPEST):
        if error is None or isinstance(error, TimeoutError):
            break
        error = error.__cause__ or error.__context__
    return isinstance(error, TimeoutError)


def seconds_of(value: float | timedelta, what: str) -> float:
    """Return a duration in seconds.

    Raises:
        ValueError: It is negative, or not a time.
    """
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if not 0 <= seconds < NEVER:
        raise ValueError(f"{what} takes a time that is not negative, not {value!r}")
    return seconds


def described(moment: float) -> str:
    """Return a moment in words."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
