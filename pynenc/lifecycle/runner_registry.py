"""The registration of runners and clients with the state backend."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import msgspec

from pynenc.context import RunnerContext
from pynenc.orchestrator.base_orchestrator import BaseOrchestrator
from pynenc.state_backend.base_state_backend import BaseStateBackend, RunnerData

_SAVED_AGAIN_S = 600.0


class Service(msgspec.Struct, frozen=True):
    """The service that a runner offers; empty for a client.

    Attributes:
        queues: The queues that it consumes.
        tasks: The tasks that it knows, by their stored names.
        code_version: The version of its code, if that was told.
    """

    queues: Sequence[str] = ()
    tasks: Sequence[str] = ()
    code_version: str | None = None


NO_SERVICE = Service()


class RunnerRegistry:
    """Registers each runner, worker and client of this process, and from time to time again.

    Args:
        orchestrator: Whose clock dates the entries.
        state_backend: Where they are kept.
    """

    def __init__(self, orchestrator: BaseOrchestrator, state_backend: BaseStateBackend) -> None:
        self._orchestrator = orchestrator
        self._state_backend = state_backend
        self._started: dict[str, float] = {}
        self._known: dict[str, tuple[RunnerContext, Service]] = {}
        self.registered: dict[str, float] = {}
        """The ids of those that are registered, with the time until which that holds (monotonic seconds)."""

    def ensure_runner_registered(self, runner: RunnerContext, service: Service = NO_SERVICE) -> str:
        """Save who a runner is, unless that was done a short while ago; return its id.

        Args:
            runner: The runner.
            service: The service that it offers; nothing for a client.
        """
        if self.registered.get(runner.runner_id, 0.0) <= time.monotonic():
            now = self._orchestrator.now()
            started = self._started.setdefault(runner.runner_id, now)
            _, service = self._known.setdefault(runner.runner_id, (runner, service))
            data = RunnerData(
                runner.runner_id,
                runner.runner_cls,
                runner.pid,
                runner.hostname,
                runner.parent_id,
                started,
                now,
                _listed(service.queues),
                _listed(service.tasks),
                service.code_version,
            )
            self._state_backend.save_runners([data])
            keep_s = self._state_backend.conf.runner_retention_hours * 3600
            again_s = min(_SAVED_AGAIN_S, keep_s / 4) if keep_s else _SAVED_AGAIN_S
            self.registered[runner.runner_id] = time.monotonic() + again_s
        return runner.runner_id

    def class_of(self, runner_id: str | None) -> str | None:
        """Return the class name of a runner of this process, None if it is not one."""
        known = self._known.get(runner_id or "")
        return None if known is None else known[0].runner_cls

    def register_again(self) -> None:
        """Save who the runners of this process are once more, after the store has lost its data."""
        self.registered.clear()
        for runner, service in list(self._known.values()):
            self.ensure_runner_registered(runner, service)

    def knowing(self, task_key: str, alive_since: float) -> list[str]:
        """Return the ids of live runners that knew a task when they started."""
        alive = self._state_backend.read_runners(self._orchestrator.live_runners(alive_since))
        return [
            data.runner_id
            for data in alive
            if data is not None and data.tasks and task_key in msgspec.json.decode(data.tasks, type=list[str])
        ]

    def unserved(self, queues: Iterable[str], alive_since: float) -> list[str]:
        """Return those of some queues that no live runner consumes, in order.

        Args:
            queues: The names of queues.
            alive_since: A runner whose heartbeat is older is dead, in seconds since the epoch.
        """
        served: set[str] = set()
        for data in self._state_backend.read_runners(self._orchestrator.live_runners(alive_since)):
            if data is None:
                return []  # what a runner consumes that is not known here is not to be guessed
            if data.queues and not data.is_draining:
                served.update(msgspec.json.decode(data.queues, type=list[str]))
        return sorted(set(queues) - served)


def _listed(names: Sequence[str]) -> str:
    return msgspec.json.encode(list(names)).decode() if names else ""
