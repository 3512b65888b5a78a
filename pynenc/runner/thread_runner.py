"""The runner that executes in threads of its own process."""

from __future__ import annotations

import os
from typing import ClassVar

from pynenc.conf.base_config import PynencConfig
from pynenc.conf.config_runner import ConfigThreadRunner
from pynenc.exceptions import RunnerError
from pynenc.runner.engine import Engine
from pynenc.runner.engine_runner import EngineRunner, Executes


class ThreadRunner(EngineRunner):
    """Executes invocations in `max_threads` threads."""

    config_class: ClassVar[type[PynencConfig]] = ConfigThreadRunner
    conf: ConfigThreadRunner

    def check(self) -> None:
        if 0 < self.conf.max_threads < self.conf.min_threads:
            raise RunnerError(
                f"ThreadRunner has min_threads={self.conf.min_threads}, which is more than "
                f"max_threads={self.conf.max_threads}"
            )

    @property
    def slots(self) -> int:
        """The number of invocations that run at the same time."""
        most = self.conf.max_threads or os.cpu_count() or 1
        return max(most, self.conf.min_threads, self.conf.min_parallel_slots)

    @property
    def capacity(self) -> str:
        return f"{self.slots} thread(s)"

    def make_engine(self) -> Executes:
        return Engine(self.app, self.runner_context, self.conf, self.slots)
