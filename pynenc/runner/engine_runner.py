"""The base of runners that execute in their own process."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from pynenc.plugins.component import ComponentContext
from pynenc.runner.base_runner import BaseRunner
from pynenc.runner.heartbeat import Heartbeat
from pynenc.runner.trigger_service import TriggerService


class Executes(Protocol):
    """An engine, as far as its runner needs to know it.

    Attributes:
        heartbeat: Its signs of life.
    """

    heartbeat: Heartbeat

    def start(self) -> None:
        """Begin to work."""

    def stop(self, grace_s: float, hurry: threading.Event) -> None:
        """Claim nothing more, let what runs finish, then hand back the rest."""

    def waiting(self, invocation_ids: Sequence[str]) -> AbstractContextManager[None]:
        """Give up the slot of the running invocation while it waits for others."""


class EngineRunner(BaseRunner):
    """Runs one engine in this process, and housekeeping beside it."""

    def __init__(self, context: ComponentContext) -> None:
        super().__init__(context)
        self._engine: Executes | None = None
        self._hurry = threading.Event()

    @abstractmethod
    def make_engine(self) -> Executes:
        """Return the engine, before it is started."""

    def execute(self) -> None:
        self._hurry.clear()
        self._engine = engine = self.make_engine()
        housekeeping = self.make_housekeeping()
        triggers = TriggerService(self.app, self.runner_id)
        engine.heartbeat.health = self.health
        engine.start()
        housekeeping.start()
        triggers.start()
        self.health.enter("working")
        self._stopping.wait()
        self.health.enter("draining")
        triggers.stop()
        housekeeping.stop()
        engine.stop(self.conf.shutdown_grace_seconds, self._hurry)

    def hurry(self) -> None:
        self._hurry.set()

    def waiting(self, invocation_ids: Sequence[str]) -> AbstractContextManager[None]:
        if self._engine is None:
            return super().waiting(invocation_ids)
        return self._engine.waiting(invocation_ids)
