"""Every change of a status is told once, in order, whoever made it; a dead process may not tell its last."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import plain_tasks
import pytest
from told_changes import Changes

from pynenc import Pynenc
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle import recovery
from pynenc.lifecycle.cancellation import cancel
from pynenc.lifecycle.claiming import claim
from pynenc.lifecycle.execution import finish_and_start, hand_back_running
from pynenc.testing.faulty_storage import CrashPlan, SimulatedCrash, put_faulty
from pynenc.testing.inline_runner import InlineRunner

_S = InvocationStatus


def _app(**settings: Any) -> tuple[Pynenc, Changes, CrashPlan]:
    Pynenc.discard("told")
    app = Pynenc({"app_id": "told", "logging_level": "critical", "max_recoveries": 1, **settings})
    changes = Changes()
    app.use(changes)
    plan = put_faulty(app)
    plan.arm(None)
    return app, changes, plan


def _start(app: Pynenc, runner_id: str) -> Any:
    claims = claim(app.components, runner_id, ["default"], 1, 0.0)
    return finish_and_start(app.components, runner_id, [], claims).started


def _statuses(app: Pynenc, invocation_id: str) -> list[InvocationStatus]:
    return [entry.status for entry in app.orchestrator.history(invocation_id)]


def test_recoveries_hand_backs_and_cancels_are_told() -> None:
    app, changes, plan = _app()
    task = app.task(plain_tasks.echo)
    calls = [task(number) for number in range(2)]
    for _ in range(4):  # until both have lost too many runners
        _start(app, "dead")
        plan.clock_offset_s += 3600
        recovery.recover(app.components, "leader")
    calls += [task(number) for number in range(3)]
    claim(app.components, "slow", ["default"], 1, 0.0)
    plan.clock_offset_s += 3600
    recovery.recover(app.components, "leader")
    started = _start(app, "stopping")
    hand_back_running(app.components, started, "stopping")
    running = _start(app, "other")
    calls.append(task(9))
    cancel(app.components, [calls[-1].invocation_id, running[0].state.invocation_id], "somebody")
    InlineRunner(app).run_due()
    seen = set[InvocationStatus]()
    for call in calls:
        statuses = _statuses(app, call.invocation_id)
        seen.update(statuses)
        assert changes.compare(app, call.invocation_id) == 0
        assert changes.order[call.invocation_id] == statuses
    assert {_S.RUNNING_RECOVERY, _S.PENDING_RECOVERY, _S.FAILED, _S.KILLED, _S.CANCELLED, _S.SUCCESS} <= seen


@pytest.mark.parametrize("after", [False, True])
def test_only_what_a_dead_process_could_not_tell_is_missing(after: bool) -> None:
    at, has_died = 0, True
    while has_died:
        app, changes, plan = _app()
        task = app.task(plain_tasks.echo)
        calls = [task(number) for number in range(2)]
        plan.arm(at, after)
        has_died = True
        with suppress(SimulatedCrash):
            InlineRunner(app, "dead").run_due(1)
            _start(app, "dead")
            cancel(app.components, [calls[1].invocation_id], "dead")
            has_died = False
        plan.arm(None)
        plan.clock_offset_s += 3600
        recovery.recover(app.components, "leader")
        InlineRunner(app).run_due()
        missing = [changes.compare(app, call.invocation_id) for call in calls]
        assert sum(missing) <= (2 if has_died else 0), (at, plan.place, missing)
        at += 1
    assert at > 8
