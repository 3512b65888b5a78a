"""The runner that keeps a fixed number of worker processes."""

from __future__ import annotations

from typing import ClassVar

from pynenc.conf.base_config import PynencConfig
from pynenc.conf.config_runner import ConfigPersistentProcessRunner
from pynenc.runner.pool_runner import PoolRunner, cores
from pynenc.runner.worker_pool import WorkerPool


class PersistentProcessRunner(PoolRunner):
    """Executes invocations in `num_processes` processes, one at a time in each."""

    config_class: ClassVar[type[PynencConfig]] = ConfigPersistentProcessRunner
    conf: ConfigPersistentProcessRunner

    @property
    def capacity(self) -> str:
        return f"{self.first_workers()} process(es)"

    def make_pool(self) -> WorkerPool:
        return WorkerPool(self.app, self.runner_context, self.conf, 1)

    def first_workers(self) -> int:
        return self.conf.num_processes or cores()
