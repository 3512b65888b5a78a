"""The runner that executes in threads of its own process."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import ClassVar

from pynenc.conf.base_config import PynencConfig
from pynenc.conf.config_runner import ConfigThreadRunner
from pynenc.exceptions import RunnerError
from pynenc.plugins.component import ComponentContext
from pynenc.runner.base_runner import BaseRunner
from pynenc.runner.engine import Engine
from pynenc.runner.housekeeping import Housekeeping


class ThreadRunner(BaseRunner):
    """Executes invocations in `max_threads` threads."""

    config_class: ClassVar[type[PynencConfig]] = ConfigThreadRunner
    conf: ConfigThreadRunner

    def __init__(self, context: ComponentContext) -> None:
        super().__init__(context)
        self._engine: Engine | None = None
        self._hurry = threading.Event()

    def check(self) -> None:
        if 0 < self.conf.max_threads < self.conf.min_threads:
            raise RunnerError(
                f"ThreadRunner has min_threads={self.conf.min_threads}, which is more than "
                f"max_threads={self.conf.max_threads}"
            )

    @property
    def slots(self) -> int:
        """How many invocations run at the same time."""
        most = self.conf.max_threads or os.cpu_count() or 1
        return max(most, self.conf.min_threads, self.conf.min_parallel_slots)

    def execute(self) -> None:
        self._hurry.clear()
        self._engine = Engine(self.app, self.runner_context, self.conf, self.slots)
        housekeeping = Housekeeping(self.app, self.runner_id)
        self._engine.start()
        housekeeping.start()
        self._stopping.wait()
        housekeeping.stop()
        self._engine.stop(self.conf.shutdown_grace_seconds, self._hurry)

    def hurry(self) -> None:
        self._hurry.set()

    def waiting(self, invocation_ids: Sequence[str]) -> AbstractContextManager[None]:
        if self._engine is None:
            return super().waiting(invocation_ids)
        return self._engine.waiting(invocation_ids)
