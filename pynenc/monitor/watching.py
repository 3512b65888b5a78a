"""Watching for the alerts that no runner can notice: none is alive, or none does the housekeeping."""

from __future__ import annotations

import threading

from pynenc.alerts.telling import AlertTeller
from pynenc.alerts.watching import watch
from pynenc.identifiers.texts import error_text
from pynenc.lifecycle.components import Components

RULES = ("no_runner", "no_leader")
"""The rules that are looked at."""

_EVERY_S = 15.0


class Watcher:
    """Looks every 15 seconds, in a thread. Whoever looks besides, each change is told once.

    Args:
        components: The components of the app.
    """

    def __init__(self, components: Components) -> None:
        self._components = components
        self._teller = AlertTeller(components)
        self._stopped = threading.Event()
        self._told = ""
        self._thread = threading.Thread(target=self._run, name="pynenc-monitor-alerts", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; a look that is under way is not waited for long."""
        self._stopped.set()
        self._thread.join(1.0)
        self._teller.stop()

    def look(self) -> None:
        """Look once; what cannot be looked at is logged when it begins."""
        try:
            failed = watch(self._components, self._teller.tell, RULES)
            problem = "; ".join(f"{rule}: {reason}" for rule, reason in failed.items())
        except Exception as error:  # noqa: BLE001 - the store is away, or worse: the next look follows
            problem = error_text(error)
        if problem and problem != self._told:
            self._components.logger.warning("the monitor cannot look for alerts: %s", problem)
        self._told = problem

    def _run(self) -> None:
        while not self._stopped.wait(_EVERY_S):
            self.look()
