"""The interface of runners."""

from __future__ import annotations

import logging
import threading
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import ClassVar, cast

from pynenc.calls.interfaces import App
from pynenc.client.trigger_starts import fire_for_job
from pynenc.conf.base_config import PynencConfig
from pynenc.conf.config_runner import ConfigRunner
from pynenc.context import RunnerContext
from pynenc.exceptions import RunnerError, StorageUnavailableError
from pynenc.identifiers.texts import type_name
from pynenc.metrics.exposition import CONTENT_TYPE, metrics_text
from pynenc.plugins.component import Component, ComponentContext
from pynenc.plugins.kinds import STORES, ComponentKind
from pynenc.plugins.registry import CORE_DISTRIBUTION, version_of
from pynenc.runner.health import Health, Probes
from pynenc.runner.housekeeping import Housekeeping
from pynenc.runner.signal_watch import SignalWatch
from pynenc.runner.worker_recipe import service_of
from pynenc.serializer.base_serializer import BaseSerializer

_MOST_SHOWN = 20
_FIRST_PAUSE_S, _LAST_PAUSE_S, _TOLD_AGAIN_S = 0.1, 2.0, 30.0


class BaseRunner(Component):
    """Executes the invocations of an app.

    Attributes:
        runner_context: Who this runner is.
        is_embedded: Whether a wait in a program has started it: then it tells of itself at debug only,
            and does not read the files of the project for tasks that are not imported.
        health: What it tells probes.
        ends_by_force: Whether a body that was cancelled, or whose time is over, is ended even if it does
            not listen.
    """

    config_class: ClassVar[type[PynencConfig]] = ConfigRunner
    conf: ConfigRunner
    ends_by_force: ClassVar[bool] = False

    def __init__(self, context: ComponentContext) -> None:
        super().__init__(context)
        self.runner_context = RunnerContext(type(self).__name__)
        self.is_embedded = False
        self._app: App | None = None
        self._stopping = threading.Event()
        self.health = Health(1.0)

    def attach(self, app: App) -> None:
        """Say whose invocations to execute."""
        self._app = app

    @property
    def app(self) -> App:
        """The app whose invocations are executed."""
        if self._app is None:
            raise RunnerError("this runner belongs to no app yet: use app.runner")
        return self._app

    @property
    def runner_id(self) -> str:
        """The id of this runner."""
        return self.runner_context.runner_id

    @property
    def is_stopping(self) -> bool:
        """True if it was asked to stop."""
        return self._stopping.is_set()

    # --- the life of a runner ----------------------------------------------------------

    def run(self) -> None:
        """Execute invocations until stopped.

        In the main thread, SIGTERM and SIGINT stop it: it claims nothing more, gives running
        invocations `shutdown_grace_seconds`, and hands the rest back. A second signal cuts the
        grace period short.

        Raises:
            RunnerError: It cannot work with this configuration.
        """
        self._stopping.clear()
        app, conf = self.app, self.conf
        self.health = Health(app.conf.heartbeat_interval_seconds)
        port, path = (None, None) if self.is_embedded else (conf.health_port, conf.health_file)
        self.probes = Probes(self.health, conf.health_host, port, path, self.logger)
        if self.probes.server is not None:
            self.probes.server.pages["/metrics"] = self._metrics
        try:
            self._run(app)
        finally:
            self.health.enter("stopped")
            self.probes.close()

    def _metrics(self) -> tuple[int, str, str]:
        """Return the answer to `GET /metrics`."""
        try:
            return 200, CONTENT_TYPE, metrics_text(self.app.components, version_of(CORE_DISTRIBUTION))
        except Exception as error:  # noqa: BLE001 - a store that is away is told to who asks
            return 503, "text/plain; charset=utf-8", f"{type_name(type(error))}\n"

    def _run(self, app: App) -> None:
        with SignalWatch(self._signalled):
            if self.is_embedded or not self.conf.store_wait_seconds or self._waited_for_stores():
                self._work(app)

    def _waited_for_stores(self) -> bool:
        """Wait until what the components stand on answers; return False if the runner was stopped before.

        Raises:
            StorageUnavailableError: It has not within `store_wait_seconds`.
        """
        began, pause_s, told_at = time.monotonic(), _FIRST_PAUSE_S, float("-inf")
        while not self.is_stopping:
            try:
                for kind in STORES:
                    self.app.component_provider.get(kind).ping()
            except StorageUnavailableError as error:
                now, most = time.monotonic(), self.conf.store_wait_seconds
                if now - began >= most:
                    raise
                if now - told_at >= _TOLD_AGAIN_S:
                    told_at = now
                    self.logger.warning("the runner waits for its store: %s", error)
            else:
                if told_at > float("-inf"):
                    self.logger.warning("the store answers after %.0f s", time.monotonic() - began)
                return True
            self._stopping.wait(pause_s)
            pause_s = min(2 * pause_s, _LAST_PAUSE_S)
        return False

    def _work(self, app: App) -> None:
        # Whatever is wrong with a component is wrong now, and not in the middle of the work.
        hazards: dict[str, None] = {}
        places: dict[str, list[str]] = {}
        for kind in STORES:
            component = app.component_provider.get(kind)
            places.setdefault(component.ping() or "nothing", []).append(type(component).__name__)
            hazards.update(dict.fromkeys(component.hazards()))
        for hazard in hazards:
            self.logger.warning("%s", hazard)
        self._check_serializer()
        self.check_start()
        app.register_core_tasks()
        if not self.is_embedded and (left_out := left_out_text(app.modules_left_out())):
            self.logger.warning("%s", left_out)
        app.register_deferred_triggers()
        app.components.runners.ensure_runner_registered(
            self.runner_context, service_of(app, self.conf.queues)
        )
        hooks, level = app.components.hooks, logging.DEBUG if self.is_embedded else logging.INFO
        hooks.call("runner_started", runner=self.runner_context)
        hooks.call("process_started", process=self.runner_context)
        self.logger.log(level, "%s", self._start_line(places))
        try:
            self.execute()
        finally:
            self.logger.log(level, "%s %s stopped", type(self).__name__, self.runner_id)
            hooks.call("process_stopped", process=self.runner_context)
            hooks.call("runner_stopped", runner=self.runner_context)

    def _start_line(self, places: Mapping[str, Sequence[str]]) -> str:
        """Return who starts, what it consumes and knows, and where its components keep their data."""
        identity, names = self.runner_context, sorted(task_id.key for task_id in self.app.tasks)
        shown = ", ".join(names[:_MOST_SHOWN]) + (", ..." if len(names) > _MOST_SHOWN else "")
        parts = [
            f"app '{self.app.app_id}'",
            f"process {identity.pid} on {identity.hostname}",
            f"queues {', '.join(self.conf.queues)}",
        ]
        if self.capacity:
            parts.append(self.capacity)
        parts.append(f"{len(names)} task(s): {shown}" if names else "no task is known")
        parts += [f"{', '.join(classes)} on {place}" for place, classes in places.items()]
        return f"{type(self).__name__} {self.runner_id} started: {'; '.join(parts)}"

    @property
    def capacity(self) -> str:
        """The most that it executes at a time, in words; empty if that is not known."""
        return ""

    def check_start(self) -> None:
        """Refuse to start with settings that the runner cannot work with; import the modules that they name.

        Raises:
            RunnerError: Says why, and what to do.
            ConfigError: A module cannot be imported.
        """
        self._check_times()
        self.check()
        self.app.import_task_modules()

    def _check_serializer(self) -> None:
        """Warn of a serializer that lets everybody who can write to the store execute code here."""
        provider = self.app.component_provider
        serializer = cast(BaseSerializer, provider.get(ComponentKind.SERIALIZER))
        is_shared = provider.component_class(ComponentKind.STATE_BACKEND).shared_between_processes
        if serializer.executes_code and is_shared and not provider.signs:
            self.logger.warning(
                "the %s executes code that stands in stored values, so whoever can write to the backend "
                "controls this runner: set 'signing_keys', or use the JsonSerializer",
                type(serializer).__name__,
            )

    @abstractmethod
    def execute(self) -> None:
        """Do the work of `run` until `is_stopping`."""

    def stop_runner_loop(self) -> None:
        """Ask the runner to stop; `run` returns when it has."""
        self._stopping.set()
        self.wake()

    def hurry(self) -> None:
        """End the grace of running invocations."""

    def wake(self) -> None:
        """Interrupt what the runner blocks on, after `is_stopping` was set."""

    def check(self) -> None:
        """Refuse a configuration that the runner cannot work with.

        Raises:
            RunnerError: Says why, and what to do.
        """

    def _check_times(self) -> None:
        """Refuse times that contradict each other.

        Raises:
            RunnerError: A runner would count as dead between two of its heartbeats.
        """
        conf = self.app.conf
        if conf.dead_after_seconds < 2 * conf.heartbeat_interval_seconds:
            raise RunnerError(
                f"runners count as dead after {conf.dead_after_seconds:g} s, but their heartbeats are "
                f"{conf.heartbeat_interval_seconds:g} s apart, so what they run would run several times. Set "
                f"'runner_considered_dead_seconds' to at least twice 'heartbeat_interval_seconds'."
            )

    def require_shared_components(self) -> None:
        """Refuse components that other processes cannot see.

        Raises:
            RunnerError: Names them.
        """
        components = self.app.component_provider
        alone = [
            f"{kind.setting}={components.component_class(kind).__name__}"
            for kind in STORES
            if not components.component_class(kind).shared_between_processes
        ]
        if alone:
            raise RunnerError(
                f"{type(self).__name__} starts worker processes, which cannot see what lives in the "
                f"memory of this one: {', '.join(alone)}. Choose a backend that processes share, such as "
                f"backend='sqlite', or the ThreadRunner."
            )

    def make_housekeeping(self) -> Housekeeping:
        """Return the housekeeping of the app, before it is started."""
        app = self.app
        return Housekeeping(
            app.components,
            self.runner_id,
            lambda: sorted(each.key for each in app.tasks),
            partial(fire_for_job, app),
        )

    def waiting(self, invocation_ids: Sequence[str]) -> AbstractContextManager[None]:
        """Give up the slot of the running invocation while it waits for others."""
        raise RunnerError(f"{type(self).__name__} executes nothing, so nothing can wait in it")

    def _signalled(self) -> None:
        """Stop at the first signal, hurry at the next."""
        if self.is_stopping:
            self.logger.warning("a second signal: what still runs is handed back now")
            self.hurry()
        else:
            self.logger.warning("a signal to stop: nothing more is claimed, and what runs may finish")
            self.stop_runner_loop()


def left_out_text(modules: Sequence[str]) -> str | None:
    """Return a warning that modules with tasks of the app are not imported, or None if there are none."""
    if not modules:
        return None
    return (
        f"not imported, though tasks are defined there: {', '.join(modules)}. Their crons and other triggers "
        f"do not start anything: import them in the module of the app, or name them in 'task_modules', "
        f"where patterns such as 'shop.*.tasks' are fine"
    )
