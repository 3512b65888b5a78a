"""Worker processes of a runner: started, watched, replaced and stopped."""

from __future__ import annotations

import contextlib
import queue
import signal
import socket
import threading
import time
from dataclasses import dataclass, field

from pynenc.calls.interfaces import App
from pynenc.conf.config_runner import ConfigPoolRunner
from pynenc.context import RunnerContext
from pynenc.lifecycle import recovery
from pynenc.runner.health import Health
from pynenc.runner.worker_recipe import (
    EXITED_PATTERN,
    FAREWELL,
    HURRY,
    UP,
    WorkerRecipe,
    library_modules,
    set_up_here,
    task_modules,
)
from pynenc.runner.worker_start import WorkerProcess, starter_for

_QUICK_DEATH_S = 5.0
_LONGEST_DELAY_S = 30.0
_KILL_AFTER_S = 5.0
_TOLD_S = 1.0
_LOOK_S = 0.2


@dataclass(eq=False)
class WorkerHandle:
    """A worker process as its parent sees it."""

    identity: RunnerContext
    process: WorkerProcess
    channel: socket.socket
    started: float = field(default_factory=time.monotonic)
    ended_as_told: bool = False
    """Whether the process, once it is gone, had said that it ends because its work is done."""
    exit_code: int | None = None
    """The exit code of the process, once it is gone and as far as that is known."""
    is_up: bool = False
    """Whether the process has said that it works."""

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    def wait_up(self) -> bool:
        """Block until the process says that it works, or is gone; return whether it does."""
        self.channel.settimeout(_LOOK_S)
        while not self.is_up:
            try:
                self.is_up = self.channel.recv(1) == UP
                break
            except TimeoutError:
                if self.process.is_over(0.0):
                    break
            except OSError:
                break
        self.channel.settimeout(None)
        return self.is_up

    def wait(self) -> None:
        """Block until the process is gone, and note whether it was to end."""
        self.process.is_over(within_s=None)
        self.exit_code = self.process.exit_code
        told = b""
        # What the body has forked may keep the other end open.
        self.channel.settimeout(_TOLD_S if self.exit_code is None else 0.0)
        with self.channel, contextlib.suppress(OSError):
            while not told.endswith(b"\n") and (more := self.channel.recv(64)):
                told += more
        self.ended_as_told = told.lstrip(UP).startswith(FAREWELL)
        if found := EXITED_PATTERN.search(told):
            self.exit_code = int(found[1])


class WorkerPool:
    """Keeps worker processes alive.

    A worker that dies is noticed at once: what it owned is taken back and another one starts,
    after a pause that doubles while workers keep dying young.

    Args:
        app: Whose invocations.
        parent: The runner that the workers belong to.
        conf: How workers are started and replaced, and which queues they consume.
        slots: How many invocations each worker runs at the same time.
        quota: After how many invocations a worker ends and is replaced, or None for never.

    Attributes:
        health: Is told whether workers come up.
    """

    def __init__(
        self,
        app: App,
        parent: RunnerContext,
        conf: ConfigPoolRunner,
        slots: int,
        quota: int | None = None,
    ) -> None:
        self._app = app
        self._parent = parent
        self._slots = slots
        self._queues = conf.queues
        self._quota = quota
        self._first_delay_s = self._delay_s = conf.restart_delay_seconds
        self._modules = task_modules(app)
        self._starter = starter_for(conf.start_method, library_modules(self._modules))
        self._workers: set[WorkerHandle] = set()
        self._ended: queue.SimpleQueue[WorkerHandle | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self.health = Health(app.conf.heartbeat_interval_seconds)

    @property
    def workers(self) -> list[WorkerHandle]:
        """The workers that are alive."""
        with self._lock:
            return sorted(self._workers, key=lambda worker: worker.started)

    def start_worker(self, idle_timeout_s: float | None = None) -> WorkerHandle:
        """Start one more worker, which ends by itself after some idleness if a time is given."""
        identity = RunnerContext(self._parent.runner_cls, parent_id=self._parent.runner_id)
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = self._starter.start(theirs)
        except OSError:
            ours.close()
            raise
        worker = WorkerHandle(identity, process, ours)
        with self._lock:
            self._workers.add(worker)
        recipe = WorkerRecipe(
            self._app,
            self._modules,
            identity,
            self._slots,
            self._quota,
            idle_timeout_s,
            self._queues,
            set_up_here(),
        )
        with contextlib.suppress(OSError), ours.makefile("wb") as stream:  # it may have died at once
            recipe.send(stream)
        threading.Thread(target=self._watch, args=(worker,), name="pynenc-watch", daemon=True).start()
        return worker

    def _watch(self, worker: WorkerHandle) -> None:
        if worker.wait_up():
            self.health.workers_up()
            if self.health.phase == "starting":
                self.health.enter("working")
        worker.wait()
        self._ended.put(worker)

    def supervise(self) -> None:
        """Replace workers that die, until `stop` is called."""
        while True:
            worker = self._ended.get()
            if worker is None:
                return
            self._take_back(worker)
            if self._stopping.is_set():
                continue
            if worker.ended_as_told:
                if self._quota is not None:
                    self._replace()
                continue
            if not any(each.is_up for each in self.workers):
                self.health.workers_down()
            lived_s = time.monotonic() - worker.started
            self._app.logger.warning(
                "worker process %d ended with code %s after %.1f s; another one starts",
                worker.pid,
                "unknown" if worker.exit_code is None else worker.exit_code,
                lived_s,
            )
            if lived_s > _QUICK_DEATH_S:
                self._delay_s = self._first_delay_s
            if not self._stopping.wait(self._delay_s):
                self._replace()
            self._delay_s = min(self._delay_s * 2, _LONGEST_DELAY_S)

    def look_at_heartbeats(self) -> None:
        """Tell the health whether a worker is up that gives signs of life: one that is stopped gives none."""
        up = [each.identity.runner_id for each in self.workers if each.is_up]
        if not up:
            return
        dead_before = self._app.components.now() - self._app.conf.dead_after_seconds
        beats = self._app.components.orchestrator.last_heartbeats(up)
        if any(beat is not None and beat >= dead_before for beat in beats):
            self.health.workers_up()
        else:
            self.health.workers_down()

    def _replace(self) -> None:
        """Start another worker, again and again if the system has no room for one."""
        pause_s = self._first_delay_s
        while not self._stopping.is_set():
            try:
                self.start_worker()
                return
            except (OSError, RuntimeError) as error:
                self._app.logger.error(
                    "a worker process cannot be started; %d worker process(es) live: %s",
                    len(self.workers),
                    error,
                )
            self._stopping.wait(pause_s)
            pause_s = min(max(pause_s, 0.1) * 2, _LONGEST_DELAY_S)

    def _take_back(self, worker: WorkerHandle) -> None:
        """Take back what a dead worker owned."""
        with self._lock:
            self._workers.discard(worker)
        try:
            taken = recovery.recover_runners(
                self._app.components, [worker.identity.runner_id], self._parent.runner_id
            )
        except Exception:
            self._app.logger.exception("what worker %d owned is left to housekeeping", worker.pid)
            return
        if taken:
            self._app.logger.warning("%d invocation(s) of worker %d run again", taken, worker.pid)

    def stop(self, grace_s: float, hurry: threading.Event) -> None:
        """Stop all workers: gracefully first, then by force."""
        self._stopping.set()
        workers = self.workers
        self._signal(workers, signal.SIGTERM)
        if not self._wait(workers, grace_s, hurry):
            self._end_grace(workers)
        if not self._wait(workers, _KILL_AFTER_S, threading.Event()):
            self._signal(workers, signal.SIGKILL)
            self._wait(workers, _KILL_AFTER_S, threading.Event())
        for worker in workers:
            self._take_back(worker)
        self._ended.put(None)
        self._starter.close()

    @staticmethod
    def _signal(workers: list[WorkerHandle], number: signal.Signals) -> None:
        for worker in workers:
            worker.process.send_signal(number)

    @staticmethod
    def _end_grace(workers: list[WorkerHandle]) -> None:
        # Not by a signal: a service manager that stops a whole group sends those to workers too.
        for worker in workers:
            with contextlib.suppress(OSError):
                worker.channel.sendall(HURRY)

    @staticmethod
    def _wait(workers: list[WorkerHandle], seconds: float, hurry: threading.Event) -> bool:
        deadline = time.monotonic() + seconds
        for worker in workers:
            while not worker.process.is_over(0.05):
                if hurry.is_set() or time.monotonic() >= deadline:
                    return False
        return True
