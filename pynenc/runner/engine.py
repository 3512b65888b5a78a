"""The engine of every runner: it claims, executes and finishes in the threads of one process.

Workers share what was claimed. One of them at a time looks for more and blocks while there
is nothing; the others wait for it. A worker writes the end of one invocation and the start of
the next in one go; where bodies take next to no time, the ends and starts of several. An end
that waits to be written together with others is written by itself if the next body takes long.
While an invocation waits for another, its worker counts as away and a substitute takes its
slot, so a pool full of waiters never stands still.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from pynenc.calls.interfaces import App
from pynenc.conf.config_runner import ConfigRunner
from pynenc.context import RunnerContext
from pynenc.identifiers.texts import traceback_text
from pynenc.invocation.claim import Claim
from pynenc.lifecycle.execution import Finished
from pynenc.lifecycle.storage_retry import FIRST_PAUSE_S, LAST_PAUSE_S
from pynenc.runner.base_engine import LONGEST_TAKE_S, BaseEngine, RunsElsewhere
from pynenc.runner.finish_buffer import FinishBuffer
from pynenc.runner.forcing import end_by_force
from pynenc.runner.invoking import ended_oddly, invoke
from pynenc.runner.prefetch_controller import PrefetchController
from pynenc.runner.surroundings import Surroundings

_SILENT_AFTER_S = 2 * LONGEST_TAKE_S
_STALLED_S = 0.25


class Engine(BaseEngine):
    """Executes invocations in `slots` threads under one runner id.

    Args:
        app: Whose invocations.
        identity: Under which id they are claimed.
        conf: Settings of the runner.
        slots: How many run at the same time.
        force: Ends this process, where a body that does not listen may take it along.
        quota: How many invocations it claims in all, or None for no bound. What its own
            invocations wait for does not count.
        elsewhere: Runs bodies, where that is not this process.
    """

    def __init__(
        self,
        app: App,
        identity: RunnerContext,
        conf: ConfigRunner,
        slots: int,
        force: Callable[[], None] | None = None,
        quota: int | None = None,
        elsewhere: RunsElsewhere | None = None,
    ) -> None:
        super().__init__(app, identity, conf, slots, self._is_sound)
        self._elsewhere = elsewhere
        self._prefetch = PrefetchController(conf.prefetch_seconds, conf.max_prefetch)
        self._changed = threading.Condition()
        self._claimed: deque[Claim] = deque()
        self._started: deque[Claim] = deque()
        self._finish_buffer = FinishBuffer(self._write_late)
        self._queues = list(conf.queues)
        self._threads = self._away = self._idle = 0
        self._fetching = self._stopping = self._draining = False
        self._last_progress = self._last_look = time.monotonic()
        self._force = force
        # Only where bodies do not run side by side: one would pull the directory from under another.
        self._surroundings = Surroundings() if force is not None and slots == 1 else None
        self._quota = quota
        self._when_spent: Callable[[], None] = lambda: None

    # --- life --------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to work."""
        self.heartbeat.start()
        with self._changed:
            self._add_missing()

    def _add_missing(self) -> None:
        """Start the worker threads that are missing."""
        is_spent = self._quota == 0 and self._away == 0
        while not (self._stopping or is_spent) and self._threads - self._away < self._slots:
            if not self._add_worker():
                return

    def _add_worker(self) -> bool:
        """Start one more worker thread; one that cannot be had now is started at a later look."""
        try:
            threading.Thread(target=self._live, name="pynenc-worker", daemon=True).start()
        except RuntimeError as error:
            self.app.logger.warning("a worker thread cannot be started now: %s", error)
            return False
        self._threads += 1
        return True

    def stop(self, grace_s: float, hurry: threading.Event) -> None:
        """Claim nothing more, let what runs finish, then hand back the rest.

        Args:
            grace_s: How long running invocations may take, in seconds.
            hurry: Ends the grace when it is set.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._return_claimed()
        deadline = time.monotonic() + grace_s
        while not hurry.is_set():
            # A worker may have been about to block just when it was interrupted.
            self.app.components.broker.interrupt()
            with self._changed:
                if self._threads == 0:
                    break
                remaining = deadline - time.monotonic()
                if remaining <= 0 and self.running.ids():
                    break
                self._changed.wait(min(0.1, max(0.01, remaining)))
        self._finish_buffer.close()
        self._return_claimed()
        self.hand_back_running()
        self.heartbeat.stop()

    def drain(self, is_draining: bool) -> None:
        """Claim nothing more, or claim again; what runs is finished."""
        with self._changed:
            if self._draining and not is_draining:
                self._last_look = time.monotonic()
            self._draining = is_draining
            self._changed.notify_all()
        if is_draining:
            self.app.components.broker.interrupt()
            self._return_claimed()

    def when_spent(self, act: Callable[[], None]) -> None:
        """Call `act`, from any thread, once the quota is used up and nothing runs any more."""
        with self._changed:
            self._when_spent = act
            if self._quota == 0 and self._threads == 0:  # before anybody asked
                act()

    def idle_seconds(self) -> float:
        """For how long nothing has run."""
        with self._changed:
            busy = bool(self._claimed) or bool(self._started) or bool(self.running.ids())
            return 0.0 if busy else time.monotonic() - self._last_progress

    def _is_sound(self) -> bool:
        """Return whether it works or looks for work: a look that does not come back is neither."""
        busy = self._claimed or self._started or self.running.ids()
        return bool(busy) or self._draining or time.monotonic() - self._last_look < _SILENT_AFTER_S

    # --- workers -----------------------------------------------------------------------

    def _live(self) -> None:
        """Work; a thread that dies of something unforeseen is replaced."""
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - a dead worker must not go unnoticed
            with self._changed:
                self._threads -= 1
                self._add_missing()
            self.app.logger.critical("a worker thread has died: %s", traceback_text(error))

    def _work(self) -> None:
        backoff_s = FIRST_PAUSE_S
        ended: list[Finished] = []
        while True:
            running: Claim | None = None
            try:
                running = self._next_started()
                if running is None:
                    own, ended = ended, []
                    if not self._finish_and_start(own) and not self._fetch():
                        return
                else:
                    if ended:
                        self._finish_buffer.add(ended.pop())
                    finished = self._execute(running)
                    ended = [finished] if finished is not None else []
                backoff_s = FIRST_PAUSE_S
            except BaseException as error:  # noqa: BLE001 - a worker lives as long as its engine
                if running is not None and not ended:
                    ended = [ended_oddly(self.app, running, error)]
                told = "a worker could not go on; next try in %.1f s"
                self.app.components.outages.tell(error, told, backoff_s)
                time.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, LAST_PAUSE_S)

    def _next_started(self) -> Claim | None:
        with self._changed:
            return self._started.popleft() if self._started else None

    def _some_claimed(self) -> list[Claim]:
        """Return what to start together: more than one only of what takes next to no time."""
        with self._changed:
            share = -(-len(self._claimed) // max(1, self._threads - self._away))
            count = min(share, self._prefetch.starts())
            return [self._claimed.popleft() for _ in range(count)]

    def _finish_and_start(self, ended: Sequence[Finished] = ()) -> bool:
        """Write ends, those held back too, and the start of what comes next; False if there is neither."""
        ends, starting = list(ended), self._some_claimed()
        if self._finish_buffer.waiting:
            ends += self._finish_buffer.take()
        if not (ends or starting):
            return False
        try:
            self._write(ends, starting)
        except BaseException:
            self._finish_buffer.put_back(ends)
            with self._changed:
                self._claimed.extendleft(reversed(starting))
            raise
        return True

    def _write(self, ends: Sequence[Finished], starting: Sequence[Claim]) -> None:
        started = self.write(ends, starting).started
        for each in ends:
            self.running.remove(each.claim)
        with self._changed:
            self._started.extend(started)

    def _write_late(self, ends: Sequence[Finished]) -> None:
        """Write ends while the worker that was to do it is busy with something long."""
        try:
            self._write(ends, [])
        except Exception as error:  # noqa: BLE001 - whatever it is, they are written later
            self.app.components.outages.tell(error, "ends could not be written; a worker tries again")
            self._finish_buffer.put_back(ends)

    def _execute(self, running: Claim) -> Finished | None:
        """Run a body; None if nobody knows how it ended, and others are to run it."""
        begun = time.monotonic()
        body = self.begin(running)
        finished: Finished | None
        if self._elsewhere is not None:
            finished = self._elsewhere.run(self, body)
            if finished is None:
                self.take_back(body)
                self._elsewhere.rest(body)
        else:
            finished = invoke(self.app, running, self, self.identity, body.interruption)
        if self._surroundings is not None:
            self._surroundings.restore()
        self._last_progress = time.monotonic()
        self._prefetch.note(self._last_progress - begun)
        return finished

    def _fetch(self) -> bool:
        """Get more to do, or wait for the worker that is getting it.

        Returns:
            False if this worker is to end.
        """
        with self._changed:
            if self._claimed or self._started:
                return True
            is_spent = self._quota == 0 and self._away == 0
            if self._stopping or is_spent or self._threads - self._away > self._slots:
                self._threads -= 1
                self._changed.notify_all()
                if is_spent and self._threads == 0:
                    self._when_spent()
                return False
            if self._fetching or self._draining:
                self._idle += 1
                self._changed.wait()
                self._idle -= 1
                return True
            self._fetching = True
            limit = min(self._conf.max_prefetch, (1 + self._idle) * self._prefetch.limit())
            limit = limit if self._quota is None else 1
        claims, self._last_look = list[Claim](), time.monotonic()
        try:
            claims = self.claim(self._turn(), limit)
        finally:
            with self._changed:
                self._fetching = False
                self._claimed.extend(claims)
                if claims:
                    self._last_progress = time.monotonic()
                if self._quota and self._away == 0:
                    self._quota -= len(claims)
                self._changed.notify_all()
        if (self._stopping or self._draining) and claims:
            self._return_claimed()
        return True

    def _turn(self) -> list[str]:
        """Return the queues in the order of this look."""
        if self._conf.queue_selection_strategy == "round_robin":
            self._queues.append(self._queues.pop(0))
        return list(self._queues)

    # --- waiting inside an invocation --------------------------------------------------

    @contextmanager
    def waiting(self, invocation_ids: Sequence[str]) -> Iterator[None]:
        """Give up the slot of the running invocation while it waits for others."""
        with self.paused(invocation_ids) as awaited:
            if awaited is None:
                yield
                return
            with self._changed:
                self._away += 1
                self._claimed.extendleft(awaited)
                self._prefer(frozenset(invocation_ids))
                # The new worker looks at what is claimed first, so what is waited for begins even
                # if all other workers are busy or block while they look for more.
                self._add_worker()
            try:
                yield
            finally:
                with self._changed:
                    self._away -= 1

    def _prefer(self, invocation_ids: frozenset[str]) -> None:
        """Move what is waited for to the front of what was claimed."""
        first = [each for each in self._claimed if each.state.invocation_id in invocation_ids]
        if first:
            rest = [each for each in self._claimed if each.state.invocation_id not in invocation_ids]
            self._claimed = deque(first + rest)

    # --- upkeep ------------------------------------------------------------------------

    def look_after(self, may_be_cancelled: bool) -> float | None:
        """Look after what runs, after each rest of the heartbeat; return how long the next may be."""
        with self._changed:
            self._add_missing()
        unresponsive = self.ask_to_end(may_be_cancelled)
        if unresponsive and self._elsewhere is not None:
            for each in unresponsive:
                self._elsewhere.end(each)
        elif unresponsive and self._force is not None:
            self._finish_buffer.close()
            end_by_force(self.app, self.identity.runner_id, unresponsive, self.running.claims())
            self._return_claimed()
            self._force()
        bounds = [self._check_stall(), None if unresponsive else self.running.next_due_s()]
        return min((bound for bound in bounds if bound is not None), default=None)

    def _check_stall(self) -> float | None:
        """Give back what was claimed if every worker is held up by a long invocation.

        Returns:
            When to look again, in seconds, or None if nothing is claimed and waiting.
        """
        with self._changed:
            if not (self._claimed or self._started):
                return None
            stalled_s = time.monotonic() - self._last_progress
            if stalled_s < _STALLED_S or self._fetching:
                return _STALLED_S
        self._return_claimed()
        return None

    def _return_claimed(self) -> None:
        """Hand back what no body has begun for."""
        with self._changed:
            waiting, self._claimed = list(self._claimed), deque()
            started, self._started = list(self._started), deque()
        try:
            self.hand_back(waiting, started)
        except BaseException:
            with self._changed:
                self._claimed.extendleft(reversed(waiting))
                self._started.extendleft(reversed(started))
            raise
