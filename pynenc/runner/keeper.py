"""The side thread of an engine: signs of life, and a look at whether work stands still."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pynenc.app import Pynenc


class Keeper:
    """Gives signs of life for some runner ids until it is stopped.

    Args:
        app: Whose runners.
        runner_ids: For whom.
        check: Called after each rest; returns how long the next rest may be at most, in seconds.
    """

    def __init__(self, app: Pynenc, runner_ids: Sequence[str], check: Callable[[], float | None]) -> None:
        self._app = app
        self._runner_ids = list(runner_ids)
        self._check = check
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pynenc-keeper", daemon=True)

    def start(self) -> None:
        """Give the first sign of life, then go on beside."""
        self._beat()
        self._thread.start()

    def stop(self) -> None:
        """End, and drop the signs of life."""
        self._stopped.set()
        self._thread.join()
        self._app.orchestrator.forget_runners(self._runner_ids)

    def _beat(self) -> None:
        orchestrator = self._app.orchestrator
        orchestrator.heartbeat(self._runner_ids, orchestrator.now())

    def _run(self) -> None:
        interval = self._app.conf.heartbeat_interval_seconds
        next_beat = time.monotonic() + interval
        rest: float | None = None
        while not self._stopped.wait(max(0.0, next_beat - time.monotonic()) if rest is None else rest):
            try:
                rest = self._check()
                if time.monotonic() >= next_beat:
                    next_beat = time.monotonic() + interval
                    self._beat()
            except Exception:
                self._app.logger.exception("a sign of life could not be given; the next follows")
