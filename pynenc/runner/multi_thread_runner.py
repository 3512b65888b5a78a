"""The runner that executes in threads of several processes, as many as there is work for."""

from __future__ import annotations

from typing import ClassVar

from pynenc.conf.base_config import PynencConfig
from pynenc.conf.config_runner import ConfigMultiThreadRunner
from pynenc.exceptions import RunnerError
from pynenc.runner.pool_runner import PoolRunner, cores
from pynenc.runner.worker_pool import WorkerPool

_LOOK_S = 1.0


class MultiThreadRunner(PoolRunner):
    """Executes invocations in worker processes with `max_threads` threads each.

    It looks once a second: while messages wait, a process is added up to `max_processes`. A
    process above `min_processes` that was idle for `idle_timeout_process_sec` ends by itself.
    """

    config_class: ClassVar[type[PynencConfig]] = ConfigMultiThreadRunner
    conf: ConfigMultiThreadRunner

    @property
    def most_processes(self) -> int:
        """The largest number of worker processes."""
        return self.conf.max_processes or cores()

    @property
    def threads(self) -> int:
        """The number of threads of a worker process."""
        return max(self.conf.max_threads or cores(), self.conf.min_threads)

    @property
    def capacity(self) -> str:
        return f"up to {self.most_processes} process(es) with {self.threads} thread(s) each"

    def check(self) -> None:
        super().check()
        for least, most in (("min_processes", "max_processes"), ("min_threads", "max_threads")):
            if 0 < getattr(self.conf, most) < getattr(self.conf, least):
                raise RunnerError(
                    f"MultiThreadRunner has {least}={getattr(self.conf, least)}, which is more than "
                    f"{most}={getattr(self.conf, most)}"
                )

    def make_pool(self) -> WorkerPool:
        return WorkerPool(self.app, self.runner_context, self.conf, self.threads)

    def first_workers(self) -> int:
        return self.conf.min_processes

    def look_after(self, pool: WorkerPool) -> None:
        queues = list(self.conf.queues)
        while not self._stopping.wait(_LOOK_S):
            try:
                waiting = any(depth.ready for depth in self.app.components.broker.depth(queues).values())
            except Exception as error:  # noqa: BLE001 - the next look follows
                self.app.components.outages.tell(error, "cannot look at the queues; trying again")
                continue
            count = len(pool.workers)
            may_grow = count < self.most_processes or not self.conf.enforce_max_processes
            if count < self.conf.min_processes:
                pool.start_worker()
            elif waiting and may_grow:
                pool.start_worker(self.conf.idle_timeout_process_sec)
