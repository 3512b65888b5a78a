"""The side thread of an engine: signs of life, requests to cancel, deadlines, and stalls."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from pynenc.conf.config_observation import Observation
from pynenc.exceptions import StorageError
from pynenc.lifecycle.cancellation import runner_channel
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.count_keeping import flush_counts
from pynenc.lifecycle.draining import is_draining
from pynenc.lifecycle.failures import flush_failures
from pynenc.recording.recorder import REQUEST
from pynenc.runner.health import Health
from pynenc.runner.load import Activity, LoadMeter
from pynenc.runner.log_keeping import LogKeeper

_LOOK_EVERY = 10
"""After how many signs of life what the runner is asked to do is looked at, should a wake-up be lost."""


class Heartbeat:
    """Gives signs of life for some runner ids until it is stopped.

    Args:
        components: Of the app whose runners these are.
        runner_ids: For whom.
        check: Called after each rest, with whether a request to cancel may be there; returns how
            long the next rest may be at most, in seconds, or None for no bound.
        is_sound: Whether they do their work; while they do not, no sign of life is given, so that
            they count as dead although their process lives.

    Attributes:
        health: Is told of each sign of life.
        activity: Returns what runs.
        follow: Is told whether they are to claim nothing more, when that may have changed.
    """

    def __init__(
        self,
        components: Components,
        runner_ids: Sequence[str],
        check: Callable[[bool], float | None],
        is_sound: Callable[[], bool] = lambda: True,
    ) -> None:
        self._components = components
        self._runner_ids = list(runner_ids)
        self._check = check
        self._is_sound = is_sound
        self.health = Health(components.conf.heartbeat_interval_seconds)
        self.activity: Activity = lambda: (0, 0, 0.0)
        self.follow: Callable[[bool], None] = lambda is_draining: None
        self._load = LoadMeter(components)
        self._logs = LogKeeper(components, self._runner_ids[0])
        self._stopped = threading.Event()
        self._subscription = components.orchestrator.subscribe(map(runner_channel, self._runner_ids))
        self._thread = threading.Thread(target=self._run, name="pynenc-heartbeat", daemon=True)

    def start(self) -> None:
        """Give the first sign of life, then go on beside."""
        self._logs.start()
        self._beat()
        self._follow_wish()
        self._thread.start()

    def stop(self) -> None:
        """End, and drop the signs of life."""
        self._stopped.set()
        self._subscription.wake()
        self._thread.join()
        self._subscription.close()
        self._tell_more()
        self._logs.stop()
        self._components.orchestrator.forget_runners(self._runner_ids)

    def hurry(self) -> None:
        """Look now: something is due earlier than was known."""
        self._subscription.wake()

    def _beat(self) -> None:
        if not self._is_sound():
            self._components.logger.error(
                "no heartbeat sent: this runner has not polled its queues for too long; it will be "
                "treated as dead after %.0f s",
                self._components.conf.dead_after_seconds,
            )
            return
        orchestrator = self._components.orchestrator
        self.health.trying()
        began = time.monotonic()
        try:
            orchestrator.heartbeat(self._runner_ids, orchestrator.now())
        except BaseException:
            self.health.missed()
            raise
        self.health.beat()
        self._components.outages.back()
        self._components.recorder.note((REQUEST, "", "", "heartbeat", time.monotonic() - began))
        self._tell_more()

    def _follow_wish(self) -> None:
        """Follow what they are asked to do; a store that is away is asked again later."""
        try:
            wish = is_draining(self._components, self._runner_ids)
            self.follow(wish)
            self.health.drain(wish)
        except StorageError as error:
            self._components.logger.debug("whether to drain is looked at later: %s", error)

    def _tell_more(self) -> None:
        """Store what is useful and not needed; a store that is away gets it later."""
        observation = self._components.conf.observation
        acts: list[Callable[[], None]] = []
        if observation != Observation.OFF:
            acts.append(lambda: flush_counts(self._components))
        if observation == Observation.FULL:
            acts.append(lambda: self._load.note(self._runner_ids, self.activity))
            acts.append(lambda: flush_failures(self._components, self._runner_ids[0]))
        for act in (*acts, self._logs.flush):
            try:
                act()
            except StorageError as error:
                self._components.logger.debug("it is written later: %s", error)
            except Exception:
                self._components.logger.exception("counts, load or log lines could not be written")

    def _run(self) -> None:
        interval = self._components.conf.heartbeat_interval_seconds
        next_beat, beats = time.monotonic() + interval, 0
        bound: float | None = None
        while True:
            rest = max(0.0, next_beat - time.monotonic())
            woken = self._subscription.wait(rest if bound is None else min(rest, bound))
            if self._stopped.is_set():
                return
            try:
                due = time.monotonic() >= next_beat
                if due:
                    next_beat, beats = time.monotonic() + interval, beats + 1
                    self._beat()
                if woken or (due and beats % _LOOK_EVERY == 0):
                    self._follow_wish()
                bound = self._check(due or bool(woken))
            except BaseException as error:  # noqa: BLE001 - without heartbeats a runner counts as dead
                told = "a heartbeat could not be sent; the next one follows"
                self._components.outages.tell(error, told)
