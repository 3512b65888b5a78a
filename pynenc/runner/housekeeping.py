"""The upkeep that runners do beside their work: recovery, and the deletion of what is long past."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence

from croniter import croniter

from pynenc.actions.job_work import Fire, work_on_jobs
from pynenc.alerts.telling import AlertTeller
from pynenc.alerts.watching import watch
from pynenc.conf.config_observation import Observation
from pynenc.lifecycle import recovery
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.count_keeping import QUIET_S, fold
from pynenc.lifecycle.leadership import lead, resign
from pynenc.lifecycle.resending import DUE_LOOK_S, Resending
from pynenc.lifecycle.retention import Retention
from pynenc.lifecycle.rollups import roll_up

_CRON_LOOK_S = 1.0
_MINUTE_S = 60.0
_ALERTS_S = 15.0
_SLICE_S, _REST_S = 0.5, 0.1


class Schedule:
    """A schedule: an interval, or a cron expression (in UTC).

    Args:
        every_s: The interval in seconds. A look a fifth too early counts, so that spread looks
            do not double it.
        cron: The expression that replaces it.
    """

    def __init__(self, every_s: float, cron: str | None = None) -> None:
        self._every_s = every_s
        self._cron = cron
        self._next_s: float | None = None

    def is_due(self, now: float) -> bool:
        """Return whether it is due now, in seconds since the epoch; the next time follows from it."""
        if self._cron is not None:
            due = self._next_s is not None and now >= self._next_s
            if due or self._next_s is None:
                self._next_s = croniter(self._cron, now).get_next(float)
            return due
        due = self._next_s is None or now >= self._next_s
        if due:
            self._next_s = now + 0.8 * self._every_s
        return due


class Housekeeping:
    """Runs recovery at an interval, in a thread, until it is stopped.

    Of all runners of an app the one that holds the lease does it.

    Args:
        components: Of the app whose invocations are looked after.
        actor_id: The runner that does it, for the history.
        task_ids: Returns the tasks that are known here.
        fire: Starts the tasks of triggers that people fire.
    """

    def __init__(
        self,
        components: Components,
        actor_id: str,
        task_ids: Callable[[], Sequence[str]] = list,
        fire: Fire | None = None,
    ) -> None:
        self._components = components
        self._actor_id = actor_id
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pynenc-housekeeping", daemon=True)
        conf = components.conf
        every_s = conf.housekeeping_seconds
        self._owned = Schedule(every_s, conf.recover_running_invocations_cron)
        self._pending = Schedule(every_s, conf.recover_pending_invocations_cron)
        self._waiting = Schedule(every_s)
        self._resending = Resending(components)
        self._lost = Schedule(every_s)
        self._retention = Retention(components)
        self._counts = Schedule(QUIET_S / 4)
        self._minutes = Schedule(_MINUTE_S)
        self._task_ids = task_ids
        self._fire = fire
        self._teller = AlertTeller(components)
        self._alerts, self._silence = Schedule(_ALERTS_S), Schedule(_MINUTE_S)
        self._told_failures: dict[str, str] = {}
        self._rounds = Schedule(self._retention.round_s)
        crons = (conf.recover_running_invocations_cron, conf.recover_pending_invocations_cron)
        looks = [every_s, self._retention.round_s, *(_CRON_LOOK_S for cron in crons if cron)]
        if not components.broker.is_exact:
            looks.append(DUE_LOOK_S)
        looks += [_ALERTS_S] * conf.alerts + [_MINUTE_S] * (conf.observation != Observation.OFF)
        if conf.atomic_service_check_interval_minutes is not None:
            looks.append(conf.atomic_service_check_interval_minutes * 60)
        self._look_s = min(looks)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; a pass that is under way is waited for."""
        self._stopped.set()
        self._thread.join()
        self._teller.stop()
        resign(self._components, self._actor_id)

    def _run(self) -> None:
        # Runners that were started together spread out.
        rest_s = self._look_s
        while not self._stopped.wait(rest_s * random.uniform(0.8, 1.0)):
            rest_s = self._look_s
            try:
                if self._pass():
                    rest_s = min(rest_s, _REST_S)
            except Exception as error:  # noqa: BLE001 - the next pass follows
                self._components.outages.tell(error, "a housekeeping pass failed; the next follows")

    def _pass(self) -> bool:
        """Do what is due, and of what is to be deleted one slice; return whether there is more of that."""
        components = self._components
        if not lead(components, self._actor_id):
            return False
        now = components.orchestrator.now()
        recovered = 0
        for schedule, act in (
            (self._owned, recovery.recover_owned),
            (self._pending, recovery.recover_pending),
            (self._waiting, recovery.recover_waiting),
        ):
            if schedule.is_due(now):
                recovered += act(components, self._actor_id)
        recovered += self._resending.push_due(now)
        if self._lost.is_due(now):
            recovered += self._resending.push_lost(now)
        if recovered:
            self._components.logger.info("%d invocation(s) were recovered or queued again", recovered)
        if self._counts.is_due(now):
            fold(components, now - QUIET_S)
        if components.conf.observation != Observation.OFF and self._minutes.is_due(now):
            roll_up(components, self._task_ids())
        self._watch(now)
        if not self._retention.is_busy and self._rounds.is_due(now):
            self._retention.begin()
        has_more = self._retention.work(_SLICE_S)
        return work_on_jobs(components, _SLICE_S, self._fire) or has_more

    def _watch(self, now: float) -> None:
        """Look for alerts, if that is due; a rule that cannot be looked at is told once."""
        components = self._components
        if not components.conf.alerts:
            return
        if self._silence.is_due(now):
            self._teller.beat()
        if self._alerts.is_due(now):
            failed = watch(components, self._teller.tell)
            for rule, reason in failed.items():
                if self._told_failures.get(rule) != reason:
                    components.logger.error("alert rule %s cannot be looked at: %s", rule, reason)
            self._told_failures = failed
