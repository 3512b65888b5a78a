"""Waits of coroutines: parking when nothing of the body goes on any more."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from pynenc.context import body_task
from pynenc.lifecycle.parking import Parking
from pynenc.workflow.run import DurableRun

_QUIET_S = 0.02
"""So long nothing may have happened before a body is parked; the loop has run what was ready by then."""
_LOOK_AGAIN_S = 0.5

OF_NO_BODY = contextvars.Context()
"""The context of timers that are not the body's own."""


@dataclass(eq=False)
class _Wait:
    parking: Parking


class ChildWait:
    """The wait of a coroutine for children: the body has to stay unless they are parked themselves.

    Args:
        waits: The waits of the run.
    """

    def __init__(self, waits: AsyncWaits) -> None:
        self._waits = waits
        self._parked: _Wait | None = None

    def look(self, parking: Parking | None) -> None:
        """Note how the body may be parked for them; None if it has to stay."""
        if parking is None:
            self._stay()
        elif self._parked is None:
            self._parked = self._waits.leave_busy(parking)
        else:
            self._parked.parking = parking
            self._waits.look_soon()

    def _stay(self) -> None:
        if self._parked is not None:
            self._waits.enter_busy(self._parked)
            self._parked = None

    def close(self) -> None:
        """End the wait."""
        self._stay()


class AsyncWaits:
    """The waits of one run of a coroutine.

    Args:
        run: The run.
        park_after_s: Shorter waits are sat out.
        now: Seconds since the epoch.
    """

    def __init__(self, run: DurableRun, park_after_s: float, now: Callable[[], float]) -> None:
        self._run = run
        self._park_after_s = park_after_s
        self._now = now
        self._waits: list[_Wait] = []
        self._active = 0
        self._changes = 0

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Something goes on inside the block for which the body must stay."""
        self._active += 1
        self._changes += 1
        try:
            yield
        finally:
            self._active -= 1
            self.look_soon()

    @contextmanager
    def for_children(self) -> Iterator[ChildWait]:
        """Note that a coroutine waits for children inside the block."""
        with self.busy():
            wait = ChildWait(self)
            try:
                yield wait
            finally:
                wait.close()

    def leave_busy(self, parking: Parking) -> _Wait:
        """Turn something for which the body must stay into a wait that may be parked."""
        wait = _Wait(parking)
        self._waits.append(wait)
        self._active -= 1
        self.look_soon()
        return wait

    def enter_busy(self, wait: _Wait) -> None:
        """Turn such a wait back into something for which the body must stay."""
        self._waits.remove(wait)
        self._active += 1
        self._changes += 1

    @asynccontextmanager
    async def waiting(self, parking: Parking) -> AsyncIterator[None]:
        """Note that a coroutine waits inside the block; the body may be parked by then."""
        wait = _Wait(parking)
        self._waits.append(wait)
        self.look_soon()
        try:
            yield
        finally:
            self._waits.remove(wait)
            self.look_soon()  # the coroutine may end without another operation while others wait

    def look_soon(self) -> None:
        """Look in a moment whether the body is to be parked."""
        self._changes += 1
        changes, body = self._changes, body_task.get()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # left behind by a loop that was closed
        loop.call_later(_QUIET_S, self._look, changes, body, context=OF_NO_BODY)

    def _look(self, changes: int, body: asyncio.Task[object] | None) -> None:
        if changes != self._changes or self._active or not self._waits or self._run.parking is not None:
            return
        if body is not None and _has_timers(body):
            # A timeout of asyncio, or a plain sleep, ends only while the body is here.
            loop = asyncio.get_running_loop()
            loop.call_later(_LOOK_AGAIN_S, self._look, changes, body, context=OF_NO_BODY)
            return
        due = min(wait.parking.due for wait in self._waits)
        if due - self._now() <= self._park_after_s:
            return  # its timer is running
        events_seen = [
            wait.parking.events_seen for wait in self._waits if wait.parking.events_seen is not None
        ]
        words = ", ".join(sorted({wait.parking.waits_for for wait in self._waits}))
        generation = self._waits[0].parking.generation
        self._run.park(Parking(due, words, min(events_seen, default=None), generation))
        for task in [body, *(branch.task for branch in self._run.branches.all)]:
            if isinstance(task, asyncio.Task) and not task.done():
                task.cancel()


def _has_timers(body: asyncio.Task[object]) -> bool:
    """Return whether the code of a body has set timers of the event loop that are running.

    The timers of an event loop are not public; one that does not keep them as asyncio's own does has
    none that this knows of.
    """
    timers = getattr(asyncio.get_running_loop(), "_scheduled", ())
    return any(
        not timer.cancelled()
        and (context := getattr(timer, "_context", None)) is not None
        and context.get(body_task) is body
        for timer in list(timers)
    )
