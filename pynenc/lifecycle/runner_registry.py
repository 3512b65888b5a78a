"""The registration of runners and clients with the state backend."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import msgspec

from pynenc.context import RunnerContext
from pynenc.orchestrator.base_orchestrator import BaseOrchestrator
from pynenc.state_backend.base_state_backend import BaseStateBackend, RunnerData

_SAVED_AGAIN_S = 600.0


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
        self._known: dict[str, tuple[RunnerContext, Sequence[str]]] = {}
        self.registered: dict[str, float] = {}
        """The ids of those that are registered, with the time until which that holds (monotonic seconds)."""

    def ensure_runner_registered(self, runner: RunnerContext, queues: Sequence[str] = ()) -> str:
        """Save who a runner is, unless that was done a short while ago; return its id.

        Args:
            runner: The runner.
            queues: The queues that it consumes; empty for a client.
        """
        if self.registered.get(runner.runner_id, 0.0) <= time.monotonic():
            now = self._orchestrator.now()
            started = self._started.setdefault(runner.runner_id, now)
            _, queues = self._known.setdefault(runner.runner_id, (runner, queues))
            data = RunnerData(
                runner.runner_id,
                runner.runner_cls,
                runner.pid,
                runner.hostname,
                runner.parent_id,
                started,
                now,
                msgspec.json.encode(list(queues)).decode() if queues else "",
            )
            self._state_backend.save_runners([data])
            keep_s = self._state_backend.conf.runner_retention_hours * 3600
            again_s = min(_SAVED_AGAIN_S, keep_s / 4) if keep_s else _SAVED_AGAIN_S
            self.registered[runner.runner_id] = time.monotonic() + again_s
        return runner.runner_id

    def register_again(self) -> None:
        """Save who the runners of this process are once more, after the store has lost its data."""
        self.registered.clear()
        for runner, queues in list(self._known.values()):
            self.ensure_runner_registered(runner, queues)

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
            if data.queues:
                served.update(msgspec.json.decode(data.queues, type=list[str]))
        return sorted(set(queues) - served)
