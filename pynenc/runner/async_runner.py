"""The runner that executes coroutines in one event loop."""

from __future__ import annotations

from typing import ClassVar

from pynenc.conf.base_config import PynencConfig
from pynenc.conf.config_runner import ConfigAsyncRunner
from pynenc.runner.async_engine import AsyncEngine
from pynenc.runner.engine_runner import EngineRunner, Executes


class AsyncRunner(EngineRunner):
    """Executes up to `max_concurrency` invocations at a time in one process.

    An `async def` runs in the event loop; a plain function runs in a thread of its own.
    """

    config_class: ClassVar[type[PynencConfig]] = ConfigAsyncRunner
    conf: ConfigAsyncRunner

    @property
    def capacity(self) -> str:
        return f"up to {self.conf.max_concurrency} at a time"

    def make_engine(self) -> Executes:
        return AsyncEngine(self.app, self.runner_context, self.conf, self.conf.max_concurrency)
