"""Random workflows that die at random places come to the same end as without a crash."""

from __future__ import annotations

from typing import Any

import workflow_bodies
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from pynenc import Pynenc
from pynenc.lifecycle import recovery
from pynenc.testing.faulty_storage import CrashPlan, SimulatedCrash, put_faulty
from pynenc.testing.inline_runner import InlineRunner

_LONG_S = 4000.0
_NAMES = (
    "chance",
    "child",
    "child later",
    "step",
    "failing step",
    "sleep",
    "set",
    "get",
    "event",
    "patched",
)
programs = some.lists(some.tuples(some.sampled_from(_NAMES), some.integers(0, 3)), max_size=8)
crashes = some.lists(some.tuples(some.integers(0, 60), some.booleans()), max_size=4)


def finish(app: Pynenc, plan: CrashPlan, root_id: str, dying: list[tuple[int, bool]]) -> None:
    """Bring a workflow to its end; whoever drives it dies as planned, and another goes on."""
    dying = list(dying)
    for number in range(200):
        plan.clock_offset_s += _LONG_S
        plan.arm(*(dying.pop() if dying else (None,)))
        try:
            recovery.recover(app.components, "boss")
            InlineRunner(app, f"r{number}").run_due()
            (state,) = app.orchestrator.read_states([root_id])
            assert state is not None
            if state.status.is_final():
                plan.arm(None)
                return
            if state.is_parked and "event" in (state.waits_for or ""):
                for wanted in range(4):
                    for copy in range(8):
                        app.send_event(root_id, "go", {"n": wanted}, event_id=f"{wanted}-{copy}")
        except SimulatedCrash:
            continue
    raise AssertionError("it does not end")


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(programs, crashes)
def test_a_random_workflow_comes_to_the_same_end(
    program: list[tuple[str, int]], dying: list[tuple[int, bool]]
) -> None:
    results: list[Any] = []
    children: list[int] = []
    for planned in ([], dying):
        workflow_bodies.SEEN.clear()
        app = Pynenc({"app_id": "random-workflows", "logging_level": "critical", "max_recoveries": 100})
        app.conf.workflow_park_after_seconds = 0.0
        try:
            plan = put_faulty(app)
            app.task(workflow_bodies.double)
            root = app.workflow(workflow_bodies.interpret)([list(each) for each in program])
            finish(app, plan, root.invocation_id, planned)
            results.append(app.get_invocation(root.invocation_id).result)
            children.append(len(app.find_records(limit=100)))
        finally:
            Pynenc.discard("random-workflows")
        runs = workflow_bodies.SEEN
        assert all(run == runs[-1][: len(run)] for run in runs)
    assert results[0] == results[1]
    assert children[0] == children[1]
