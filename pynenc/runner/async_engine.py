"""The engine of the asyncio runner.

One thread claims and blocks while there is nothing, one runs the event loop, and one writes:
what starts and ends while it is writing goes out together in the next write.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import msgspec

from pynenc.calls.interfaces import App
from pynenc.conf.config_runner import ConfigRunner
from pynenc.context import RunnerContext
from pynenc.identifiers.texts import traceback_text
from pynenc.invocation.claim import Claim
from pynenc.lifecycle.execution import Finished
from pynenc.lifecycle.storage_retry import FIRST_PAUSE_S, LAST_PAUSE_S
from pynenc.runner.base_engine import BaseEngine
from pynenc.runner.invoking import invoke_async, own_task

_MOST_AT_ONCE = 200
_CANCEL_S = 2.0


class AsyncEngine(BaseEngine):
    """Executes invocations as tasks of one event loop.

    Args:
        app: Whose invocations.
        identity: Under which id they are claimed.
        conf: Settings of the runner.
        slots: How many run at the same time.
    """

    def __init__(self, app: App, identity: RunnerContext, conf: ConfigRunner, slots: int) -> None:
        super().__init__(app, identity, conf, slots, lambda: self._loop_thread.is_alive())
        self._changed = threading.Condition()
        self._busy = 0
        self._stopping = self._draining = False
        self._claimer_ended = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._writer = ThreadPoolExecutor(1, "pynenc-writer")
        self._tasks: set[asyncio.Task[None]] = set()
        self._starting: list[tuple[Claim, asyncio.Future[Claim | None]]] = []
        self._finished: list[tuple[Finished, asyncio.Future[None]]] = []
        self._is_writing = False
        self._loop_may_end = False

    # --- life --------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to work."""
        self._loop_thread = threading.Thread(target=self._run_loop, name="pynenc-loop", daemon=True)
        self._loop_thread.start()
        self.heartbeat.start()
        threading.Thread(target=self._claim, name="pynenc-claimer", daemon=True).start()

    def stop(self, grace_s: float, hurry: threading.Event) -> None:
        """Claim nothing more, let what runs finish, then hand back the rest.

        Args:
            grace_s: How long running invocations may take, in seconds.
            hurry: Ends the grace when it is set.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        while not self._claimer_ended.is_set():
            self.app.components.broker.interrupt()
            self._claimer_ended.wait(0.02)
        deadline = time.monotonic() + grace_s
        with self._changed:
            while self._busy and not hurry.is_set() and (rest := deadline - time.monotonic()) > 0:
                self._changed.wait(min(0.1, rest))
        self.hand_back_running()
        self._leave_loop()
        self._writer.shutdown(wait=False)
        self.heartbeat.stop()

    def drain(self, is_draining: bool) -> None:
        """Claim nothing more, or claim again; what runs is finished."""
        with self._changed:
            if self._draining == is_draining:
                return
            self._draining = is_draining
            self._changed.notify_all()
        if is_draining:
            self.app.components.broker.interrupt()

    def _run_loop(self) -> None:
        """Run the event loop until the engine stops, whatever bodies do to it."""
        asyncio.set_event_loop(self._loop)
        while not self._loop_may_end:
            try:
                self._loop.run_forever()
                told = "" if self._loop_may_end else "something has called its 'stop'"
            except BaseException as error:  # noqa: BLE001 - such as SystemExit in a task that a body has started
                told = traceback_text(error)
            if told:
                self.app.logger.error("the event loop was left and goes on: %s", told)

    def _leave_loop(self) -> None:
        """Cancel what is left in the event loop, and end it; what does not listen is left behind."""
        with contextlib.suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(self._cancel_all(), self._loop).result(2 * _CANCEL_S)
        self._loop_may_end = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._loop_thread.join(_CANCEL_S)
        if not self._loop_thread.is_alive():
            self._loop.close()

    async def _cancel_all(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_CANCEL_S)

    # --- claiming ----------------------------------------------------------------------

    def _claim(self) -> None:
        backoff_s = FIRST_PAUSE_S
        while True:
            with self._changed:
                while (self._busy >= self._slots or self._draining) and not self._stopping:
                    self._changed.wait()
                if self._stopping:
                    break
                free = self._slots - self._busy
            try:
                limit = min(free, _MOST_AT_ONCE)
                claims = self.claim(self._conf.queues, limit)
                backoff_s = FIRST_PAUSE_S
            except BaseException as error:  # noqa: BLE001 - nothing may end this thread
                told = "claiming failed; it is tried again in %.1f s"
                self.app.components.outages.tell(error, told, backoff_s)
                time.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, LAST_PAUSE_S)
                continue
            if self._stopping or self._draining:
                self.hand_back(claims)
            else:
                self._take_on(claims)
        self._claimer_ended.set()

    def _take_on(self, claims: Sequence[Claim]) -> None:
        """Run claims in the event loop; may be called from any thread."""
        if not claims:
            return
        with self._changed:
            self._busy += len(claims)
        self._loop.call_soon_threadsafe(self._begin, claims)

    def _begin(self, claims: Sequence[Claim]) -> None:
        for each in claims:
            self._start(self._live(each))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        """Start a task of the engine's own."""
        task = own_task(work, self._loop)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- one invocation ----------------------------------------------------------------

    async def _live(self, claimed: Claim) -> None:
        try:
            started: asyncio.Future[Claim | None] = self._loop.create_future()
            self._starting.append((claimed, started))
            self._begin_writing()
            running = await started
            if running is not None:
                await self._execute(running)
        finally:
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()

    async def _execute(self, running: Claim) -> None:
        body = self.begin(running)
        begun = time.monotonic()
        try:
            finished = await invoke_async(self.app, running, self, self.identity, body.interruption)
            finished = msgspec.structs.replace(finished, seconds=time.monotonic() - begun)
            written: asyncio.Future[None] = self._loop.create_future()
            self._finished.append((finished, written))
            self._begin_writing()
            await written
        finally:
            self.running.remove(body.claim)

    def _begin_writing(self) -> None:
        if not self._is_writing:
            self._is_writing = True
            self._start(self._write())

    async def _write(self) -> None:
        backoff_s = FIRST_PAUSE_S
        while self._starting or self._finished:
            starting, self._starting[:] = list(self._starting), []
            finished, self._finished[:] = list(self._finished), []
            try:
                advanced = await self._loop.run_in_executor(
                    self._writer,
                    self.write,
                    [each for each, _ in finished],
                    [each for each, _ in starting],
                )
            except Exception as error:  # noqa: BLE001 - whatever it is, others wait to be written
                told = "writing failed; it is tried again in %.1f s"
                self.app.components.outages.tell(error, told, backoff_s)
                self._starting[:0] = starting
                self._finished[:0] = finished
                await asyncio.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, LAST_PAUSE_S)
                continue
            backoff_s = FIRST_PAUSE_S
            running = {each.state.invocation_id: each for each in advanced.started}
            for each, started in starting:
                if not started.done():
                    started.set_result(running.get(each.state.invocation_id))
            for _, written in finished:
                if not written.done():
                    written.set_result(None)
        self._is_writing = False

    # --- waiting and upkeep ------------------------------------------------------------

    @contextmanager
    def waiting(self, invocation_ids: Sequence[str]) -> Iterator[None]:
        """Give up the slot of the running invocation while it waits for others."""
        with self.paused(invocation_ids) as awaited:
            if awaited is None:
                yield
                return
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()
            self._take_on(awaited)
            try:
                yield
            finally:
                with self._changed:
                    self._busy += 1

    def look_after(self, may_be_cancelled: bool) -> float | None:
        """Ask bodies to end whose time is over or who were cancelled; one that does not listen goes on."""
        return None if self.ask_to_end(may_be_cancelled) else self.running.next_due_s()
