"""The runner that gives each invocation a process of its own."""

from __future__ import annotations

from typing import ClassVar

from pynenc.conf.base_config import PynencConfig
from pynenc.conf.config_runner import ConfigProcessRunner
from pynenc.runner.pool_runner import PoolRunner, cores
from pynenc.runner.worker_pool import WorkerPool


class ProcessRunner(PoolRunner):
    """Executes each invocation in a new process, `num_processes` at a time.

    Processes are started ahead and wait for the next invocation. What an invocation waits for
    runs in its process, or in another.
    """

    config_class: ClassVar[type[PynencConfig]] = ConfigProcessRunner
    conf: ConfigProcessRunner

    @property
    def capacity(self) -> str:
        return f"{self.first_workers()} process(es)"

    def make_pool(self) -> WorkerPool:
        return WorkerPool(self.app, self.runner_context, self.conf, 1, quota=1)

    def first_workers(self) -> int:
        return self.conf.num_processes or cores()
