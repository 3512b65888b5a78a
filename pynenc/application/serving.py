"""Serving: what executes the invocations of an app, and how to start it."""

from __future__ import annotations

import os
import shlex
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from pynenc.app_info import AppInfo
from pynenc.application.components import ComponentProvider
from pynenc.calls.interfaces import App
from pynenc.context import running_runner
from pynenc.plugins.kinds import STORES, ComponentKind
from pynenc.plugins.registry import import_object

if TYPE_CHECKING:  # runners are imported where one starts, because that is slow
    from pynenc.runner.base_runner import BaseRunner

_FIRST_CHANCE_S = 1.0
"""A runner that the settings select, and that the program starts beside a wait, gets this long."""

_STOP_S = 5.0
_LOOKED_AT = 1000


def executes(provider: ComponentProvider) -> bool:
    """Return whether the runner that the settings select executes anything."""
    return provider.selected(ComponentKind.RUNNER) not in (
        "DummyRunner",
        "ExternalRunner",
        "dummy",
        "external",
    )


def select_executing(app: ServedApp) -> None:
    """Have an app use a ThreadRunner if its settings select a runner that executes nothing."""
    if not executes(app.component_provider):
        app.conf.runner_cls = "ThreadRunner"


class ServedApp(App, Protocol):
    """An app, as far as this room needs to know it beyond what tasks do."""

    @property
    def info(self) -> AppInfo:
        """The origin of the app."""

    @property
    def component_provider(self) -> ComponentProvider:
        """The provider of single components."""


class AppServing:
    """Starts the embedded runner of an app at the first wait, and knows how a runner is started elsewhere.

    Args:
        app: The app.

    Attributes:
        instead: Called with what a wait is for, in place of starting a runner; for tests.
    """

    def __init__(self, app: ServedApp) -> None:
        self._app = app
        self.renew()

    def renew(self) -> None:
        """Begin anew, as in a new process, in which no thread goes on."""
        self._lock = threading.Lock()
        self._is_settled = False
        self._running: list[tuple[BaseRunner, threading.Thread]] = []
        self._queues: set[str] = set()
        self.instead: Callable[[Sequence[str]], None] | None = None

    @property
    def is_embedded(self) -> bool:
        """True if waits start a runner inside this process: by setting, or if everything is in memory."""
        wanted = self._app.conf.embedded_runner
        return self.is_all_in_memory if wanted is None else wanted

    def begin(self, invocation_ids: Sequence[str] = ()) -> None:
        """Start the embedded runner, if there is to be one and nothing executes yet.

        Args:
            invocation_ids: What is waited for; an embedded runner consumes their queues from now on.
        """
        if self.instead is not None:
            self.instead(invocation_ids)
            return
        if self._running:
            self._consume_queues_of(invocation_ids)
            return
        running = running_runner.get()
        if self._is_settled or (running is not None and running.app_id == self._app.app_id):
            return
        with self._lock:
            if self._is_settled:
                return
            self._is_settled = True
            if self._app.conf.embedded_runner is False or not self.is_embedded:
                return
        if not executes(self._app.component_provider):
            self.start(invocation_ids)
            return
        timer = threading.Timer(_FIRST_CHANCE_S, self._start_late, [invocation_ids])
        timer.daemon = True
        timer.start()

    def stop(self, is_patient: bool = False) -> None:
        """Stop the embedded runner; the next wait may start it again.

        Args:
            is_patient: Whether what runs has `shutdown_grace_seconds` to finish.
        """
        with self._lock:
            running, self._running = self._running, []
            self._is_settled = False
            self._queues.clear()
        for runner, _ in running:
            runner.stop_runner_loop()
            if not is_patient:
                runner.hurry()
        for runner, thread in running:
            thread.join(_STOP_S + (runner.conf.shutdown_grace_seconds if is_patient else 0.0))

    def advice(self, queue: str | None = None) -> str:
        """Return how to start a runner that sees what this process submits.

        Args:
            queue: The queue that it must consume, if that is to be said.
        """
        if self.is_all_in_memory:
            return (
                "its components are in the memory of this process, which no other process can see: leave "
                "'embedded_runner' on, run app.runner in a thread, or set 'backend'"
            )
        option = f" --queue {shlex.quote(queue)}" if queue is not None else ""
        place = self._app.component_provider.get(ComponentKind.ORCHESTRATOR).ping()
        return (
            f"start one with 'pynenc --app {self._name()} runner start{option}'; this process, on "
            f"{socket.gethostname()}, uses {place or 'a store of its own kind'}"
        )

    def start(self, invocation_ids: Sequence[str] = ()) -> None:
        """Start the embedded runner, unless a runner is alive; for the arguments see `begin`."""
        app = self._app
        with self._lock:
            if self._running:
                return
            self._is_settled = True
            if self._is_served():
                self._is_settled = False  # it may stop before the next wait
                return
            queues = [*app.broker.queues(), *(task.conf.queue for task in list(app.tasks.values()))]
            runner = self._add(queues)
        app.logger.debug(
            "nothing executes the invocations of app '%s': %s starts inside this process ('embedded_runner')",
            app.app_id,
            type(runner).__name__,
        )
        self._consume_queues_of(invocation_ids)

    # --- inside ------------------------------------------------------------------------

    def _start_late(self, invocation_ids: Sequence[str]) -> None:
        if self._is_settled:  # else the app was closed meanwhile
            self.start(invocation_ids)

    def _consume_queues_of(self, invocation_ids: Sequence[str]) -> None:
        """Have a further runner consume the queues of what is waited for, if none here does."""
        states = self._app.orchestrator.read_states(invocation_ids[:_LOOKED_AT])
        waiting = {state.queue for state in states if state is not None and state.status.is_available}
        if waiting <= self._queues:
            return
        with self._lock:
            if self._running and not waiting <= self._queues:
                self._add(sorted(waiting - self._queues))

    def _add(self, queues: Sequence[str]) -> BaseRunner:
        """Start a runner for the queues of the settings, and some more."""
        runner = self._new_runner()
        runner.conf.queues = tuple(dict.fromkeys([*runner.conf.queues, *queues]))
        self._queues.update(runner.conf.queues)
        thread = threading.Thread(target=self._run, args=(runner,), name="pynenc-embedded", daemon=True)
        thread.start()
        self._running.append((runner, thread))
        return runner

    def _is_served(self) -> bool:
        """Return whether a runner is alive that sees what waits here; a fork has a copy of its parent's."""
        components = self._app.components
        alive = components.orchestrator.live_runners(components.now() - self._app.conf.dead_after_seconds)
        if not self.is_all_in_memory:
            return bool(alive)
        known = components.state_backend.read_runners(alive)
        return any(each is not None and each.pid == os.getpid() for each in known)

    def _new_runner(self) -> BaseRunner:
        provider = self._app.component_provider
        selected = provider.component_class(ComponentKind.RUNNER)
        in_process = cast("type[BaseRunner]", import_object("pynenc.runner.engine_runner:EngineRunner"))
        threads = cast("type[BaseRunner]", import_object("pynenc.runner.thread_runner:ThreadRunner"))
        cls = selected if issubclass(selected, in_process) else threads
        runner = cls(provider.context)
        runner.attach(self._app)
        runner.is_embedded = True
        return runner

    def _run(self, runner: BaseRunner) -> None:
        try:
            runner.run()
        except BaseException:
            self._app.logger.exception("the embedded runner of app '%s' has ended", self._app.app_id)

    @property
    def is_all_in_memory(self) -> bool:
        """True if no other process can see what the app stores."""
        provider = self._app.component_provider
        return not any(provider.component_class(kind).shared_between_processes for kind in STORES)

    def _name(self) -> str:
        """Return what stands behind `--app` for this app."""
        info = self._app.info
        if info.module is None:
            return "<module>.<app>"
        if info.module == "__main__":
            main = sys.modules["__main__"]
            spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
            if spec is not None:
                return f"{spec.name}.{info.app_variable or '<app>'}"
            return shlex.quote(Path(file).name) if file is not None else "<module>.<app>"
        return f"{info.module}.{info.app_variable or '<app>'}"
