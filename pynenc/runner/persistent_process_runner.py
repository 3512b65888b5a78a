"""The runner that keeps a fixed number of worker processes."""

from __future__ import annotations

import os
import threading
from typing import ClassVar

from pynenc.conf.base_config import PynencConfig
from pynenc.conf.config_runner import ConfigPersistentProcessRunner
from pynenc.plugins.component import ComponentContext
from pynenc.runner.base_runner import BaseRunner
from pynenc.runner.housekeeping import Housekeeping
from pynenc.runner.keeper import Keeper
from pynenc.runner.worker_pool import WorkerHandle, WorkerPool


class PersistentProcessRunner(BaseRunner):
    """Executes invocations in `num_processes` processes, one at a time in each."""

    config_class: ClassVar[type[PynencConfig]] = ConfigPersistentProcessRunner
    conf: ConfigPersistentProcessRunner

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

    def execute(self) -> None:
        self._hurry.clear()
        count = max(self.conf.num_processes or os.cpu_count() or 1, self.conf.min_parallel_slots)
        pool = WorkerPool(self.app, self.runner_context, 1, self.conf.restart_delay_seconds)
        self._pool = pool
        keeper = Keeper(self.app, [self.runner_id], lambda may_be_cancelled: None)
        housekeeping = Housekeeping(self.app, self.runner_id)
        supervisor = threading.Thread(target=pool.supervise, name="pynenc-supervisor", daemon=True)
        keeper.start()
        supervisor.start()
        for _ in range(count):
            pool.start_worker()
        housekeeping.start()
        self._stopping.wait()
        housekeeping.stop()
        pool.stop(self.conf.shutdown_grace_seconds, self._hurry)
        supervisor.join()
        keeper.stop()

    def hurry(self) -> None:
        self._hurry.set()
