"""Evaluates triggers beside the work of a runner: woken by what occurs, and at the ticks of crons."""

from __future__ import annotations

import threading
import time

from pynenc.calls.interfaces import App
from pynenc.client.trigger_starts import firing_of
from pynenc.exceptions import StorageError
from pynenc.scheduler.evaluator import Evaluator
from pynenc.scheduler.ticker import Ticker
from pynenc.trigger.records import DEFINED_MARK
from pynenc.trigger.stored_records import DEFINED

_LAST_PAUSE_S = 5.0
_LOST_LOOK_S = 5.0
"""How often to look whether the store has lost its data."""


class TriggerService:
    """Evaluates until it is stopped; does nothing where the settings say so.

    Args:
        app: Whose triggers.
        runner_id: Who evaluates.
    """

    def __init__(self, app: App, runner_id: str) -> None:
        self._app = app
        conf = app.components.trigger.conf
        self._is_on = conf.enable_scheduler
        self._look_s = conf.scheduler_interval_seconds
        self._catalog = app.catalog
        self._problems = (firing := firing_of(app)).problems
        self._told_unreadable: dict[str, str] = {}
        store = app.components.trigger
        self._evaluator = Evaluator(store, app.components, self._catalog, firing, runner_id)
        self._ticker = Ticker(store, self._catalog, firing)
        self._looked_at = time.monotonic()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pynenc-triggers", daemon=True)
        self._subscription = app.components.trigger.subscribe() if self._is_on else None

    def start(self) -> None:
        """Begin."""
        if self._is_on:
            self._thread.start()

    def stop(self) -> None:
        """End; what is under way is waited for."""
        self._stopped.set()
        if self._subscription is not None:
            self._subscription.wake()
            self._thread.join()
            self._subscription.close()
            try:
                self._evaluator.close()
            except StorageError as error:
                self._app.logger.warning("the lease on triggers runs out by itself: %s", error)

    def _run(self) -> None:
        subscription = self._subscription
        assert subscription is not None
        pause_s = 0.1
        self._catalog.expire()
        while not self._stopped.is_set():
            try:
                self._restore_lost()
                self._catalog.refresh(self._look_s)
                self._tell_unreadable()
                next_tick_s = self._ticker.tick()
                recheck_s = self._evaluator.evaluate()
                pause_s = 0.1
            except BaseException as error:  # noqa: BLE001 - triggers are evaluated as long as the runner lives
                told = "triggers could not be evaluated; next try in %.1f s"
                self._app.components.outages.tell(error, told, pause_s)
                self._stopped.wait(pause_s)
                pause_s = min(pause_s * 2, _LAST_PAUSE_S)
                continue
            bounds = (next_tick_s, recheck_s, self._look_s, _LOST_LOOK_S)
            waits = [each for each in bounds if each is not None]
            if DEFINED in subscription.wait(max(0.0, min(waits))):
                self._looked_at = float("-inf")
                self._catalog.expire()
                self._evaluator.forget_others()

    def _restore_lost(self) -> None:
        """Store triggers and runners again after the app was purged, or after the store lost its data."""
        if time.monotonic() - self._looked_at < _LOST_LOOK_S:
            return
        (mark,) = self._app.components.trigger.read_marks([DEFINED_MARK])
        if mark is None:
            self._app.logger.warning("the store has lost its data; triggers and runners are stored again")
            self._app.register_deferred_triggers()
            self._app.components.runners.register_again()
        self._problems.load()
        self._looked_at = time.monotonic()

    def _tell_unreadable(self) -> None:
        """Note which triggers newer, damaged or hostile code has written; the others go on."""
        unreadable = self._catalog.unreadable()
        for trigger_id, reason in unreadable.items():
            if self._told_unreadable.get(trigger_id) != reason:
                task_id = self._catalog.task_of(trigger_id)
                self._problems.note(trigger_id, task_id, f"it cannot be read: {reason}")
        self._told_unreadable = unreadable
