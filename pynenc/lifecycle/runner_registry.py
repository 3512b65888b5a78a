"""The registration of runners and clients with the state backend."""

from __future__ import annotations

from pynenc.context import RunnerContext
from pynenc.orchestrator.base_orchestrator import BaseOrchestrator
from pynenc.state_backend.base_state_backend import BaseStateBackend, RunnerData


class RunnerRegistry:
    """Registers each runner, worker and client of this process once.

    Args:
        orchestrator: Whose clock dates the entries.
        state_backend: Where they are kept.
    """

    def __init__(self, orchestrator: BaseOrchestrator, state_backend: BaseStateBackend) -> None:
        self._orchestrator = orchestrator
        self._state_backend = state_backend
        self.registered: set[str] = set()
        """The ids of those that are registered already."""

    def ensure_runner_registered(self, runner: RunnerContext) -> str:
        """Save who a runner is, unless that was done before; return its id."""
        if runner.runner_id not in self.registered:
            started_at = self._orchestrator.now()
            self._state_backend.save_runners(
                [
                    RunnerData(
                        runner.runner_id,
                        runner.runner_cls,
                        runner.pid,
                        runner.hostname,
                        runner.parent_id,
                        started_at,
                    )
                ]
            )
            self.registered.add(runner.runner_id)
        return runner.runner_id
