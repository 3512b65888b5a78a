"""The base of runners with worker processes."""

from __future__ import annotations

import os
import threading
from abc import abstractmethod

from pynenc.plugins.component import ComponentContext
from pynenc.runner.base_runner import BaseRunner
from pynenc.runner.heartbeat import Heartbeat
from pynenc.runner.trigger_service import TriggerService
from pynenc.runner.worker_pool import WorkerHandle, WorkerPool


class PoolRunner(BaseRunner):
    """Starts worker processes, watches over them, and stops them."""

    ends_by_force = True

    def __init__(self, context: ComponentContext) -> None:
        super().__init__(context)
        self._pool: WorkerPool | None = None
        self._hurry = threading.Event()

    def check(self) -> None:
        self.require_shared_components()

    @property
    def workers(self) -> list[WorkerHandle]:
        """The worker processes that are alive."""
        return self._pool.workers if self._pool else []

    @abstractmethod
    def make_pool(self) -> WorkerPool:
        """Return the pool, before any worker is started."""

    @abstractmethod
    def first_workers(self) -> int:
        """Return how many workers to start with."""

    def look_after(self, pool: WorkerPool) -> None:
        """Wait while the workers work; return when the runner is stopping."""
        self._stopping.wait()

    def execute(self) -> None:
        self._hurry.clear()
        self._pool = pool = self.make_pool()
        heartbeat = Heartbeat(self.app.components, [self.runner_id], lambda _: pool.look_at_heartbeats())
        housekeeping = self.make_housekeeping()
        triggers = TriggerService(self.app, self.runner_id)
        supervisor = threading.Thread(target=pool.supervise, name="pynenc-supervisor", daemon=True)
        heartbeat.health = pool.health = self.health
        heartbeat.start()
        supervisor.start()
        for _ in range(max(self.first_workers(), self.conf.min_parallel_slots)):
            pool.start_worker()
        housekeeping.start()
        triggers.start()
        if not pool.workers:
            self.health.enter("working")
        self.look_after(pool)
        self.health.enter("draining")
        triggers.stop()
        housekeeping.stop()
        pool.stop(self.conf.shutdown_grace_seconds, self._hurry)
        supervisor.join()
        heartbeat.stop()

    def hurry(self) -> None:
        self._hurry.set()


def cores() -> int:
    """Return the number of cores of this machine."""
    return os.cpu_count() or 1
