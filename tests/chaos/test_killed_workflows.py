"""A runner is killed after each recorded operation of a workflow; another brings it to its end."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from pynenc.invocation.status import InvocationStatus
from pynenc.testing.app_fixtures import running

APPS = Path(__file__).parents[1] / "integration" / "apps"
FLOWS = {"flow": 9, "side_by_side": 8}
SETTINGS = {
    "runner_cls": "ThreadRunner",
    "max_threads": "2",
    "runner_considered_dead_seconds": "0.5",
    "heartbeat_interval_seconds": "0.1",
    "recovery_interval_seconds": "0.2",
    "workflow_park_after_seconds": "0",
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", FLOWS)
def test_a_workflow_ends_though_its_runner_is_killed_at_every_step(
    load_app: Callable[..., ModuleType], name: str
) -> None:
    boundaries = load_app("boundaries", **SETTINGS)
    app = boundaries.app
    for number in range(1, FLOWS[name] + 1):
        call = getattr(boundaries, name)(number)
        script = f"import boundaries; boundaries.die_after({number}); boundaries.app.runner.run()"
        dying = subprocess.run([sys.executable, "-c", script], cwd=APPS, check=False)
        assert dying.returncode == -signal.SIGKILL
        before = {step.step_id: step.payload for step in app.state_backend.find_steps(call.invocation_id, 99)}
        assert len(before) == number
        with running(app):
            result = call.result
        after = {step.step_id: step.payload for step in app.state_backend.find_steps(call.invocation_id, 99)}
        assert len(after) == FLOWS[name]
        assert {key: after[key] for key in before} == before
        squares = result[2:6:2] if name == "flow" else [each[0] for each in result]
        assert squares == [number**2, (number + 1) ** 2]
    children = app.find_invocations(task=boundaries.square, limit=100)
    assert len(children) == 2 * FLOWS[name]
    for child in children:
        assert [each.status for each in child.history].count(InvocationStatus.SUCCESS) == 1
