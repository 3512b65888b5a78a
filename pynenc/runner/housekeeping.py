"""The upkeep that runners do beside their work: recovery and the purge of what has ended."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING

from pynenc.conf.config_components import ConfigOrchestrator
from pynenc.orchestrator import recovery
from pynenc.orchestrator.leadership import lead, resign

if TYPE_CHECKING:
    from pynenc.app import Pynenc

_PURGE_EVERY_S = 600.0


class Housekeeping:
    """Runs recovery at an interval, in a thread, until it is stopped.

    Of all runners of an app the one that holds the lease does it.

    Args:
        app: Whose invocations.
        actor_id: The runner that does it, for the history.
    """

    def __init__(self, app: Pynenc, actor_id: str) -> None:
        self._app = app
        self._actor_id = actor_id
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pynenc-housekeeping", daemon=True)
        self._next_purge = time.monotonic()
        self._keep_s = app.settings_loader.load(ConfigOrchestrator).auto_final_invocation_purge_hours * 3600

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; a pass that is under way is waited for."""
        self._stopped.set()
        self._thread.join()
        resign(self._app.ports, self._actor_id)

    def _run(self) -> None:
        interval = self._app.conf.recovery_interval_seconds
        # Runners that were started together spread out.
        while not self._stopped.wait(interval * random.uniform(0.8, 1.2)):
            try:
                self._pass()
            except Exception:
                self._app.logger.exception("a housekeeping pass failed; the next follows")

    def _pass(self) -> None:
        ports = self._app.ports
        if lead(ports, self._actor_id) is None:
            return
        recovered = recovery.recover(ports, self._actor_id)
        if recovered:
            self._app.logger.info("%d invocation(s) were recovered or queued again", recovered)
        if self._keep_s and time.monotonic() >= self._next_purge:
            self._next_purge = time.monotonic() + _PURGE_EVERY_S
            recovery.purge_final(ports, ports.orchestrator.now() - self._keep_s)
