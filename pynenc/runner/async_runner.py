"""The runner that executes coroutines in one event loop."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import ClassVar

from pynenc.conf.base_config import PynencConfig
from pynenc.conf.config_runner import ConfigAsyncRunner
from pynenc.plugins.component import ComponentContext
from pynenc.runner.async_engine import AsyncEngine
from pynenc.runner.base_runner import BaseRunner
from pynenc.runner.housekeeping import Housekeeping


class AsyncRunner(BaseRunner):
    """Executes up to `max_concurrency` invocations at a time in one process.

    An `async def` runs in the event loop; a plain function runs in a thread of its own.
    """

    config_class: ClassVar[type[PynencConfig]] = ConfigAsyncRunner
    conf: ConfigAsyncRunner

    def __init__(self, context: ComponentContext) -> None:
        super().__init__(context)
        self._engine: AsyncEngine | None = None
        self._hurry = threading.Event()

    def execute(self) -> None:
        self._hurry.clear()
        self._engine = AsyncEngine(self.app, self.runner_context, self.conf, self.conf.max_concurrency)
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
