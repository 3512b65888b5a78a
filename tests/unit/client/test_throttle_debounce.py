"""Calls that come too often: the first stands for them, or the last."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import plain_tasks
import pytest

from pynenc import Pynenc
from pynenc.client.dist_invocation import ReusedInvocation
from pynenc.exceptions import (
    ConcurrencyControlledError,
    InvocationConcurrencyWithDifferentArgumentsError,
    TaskDefinitionError,
)
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle import recovery
from pynenc.testing.faulty_storage import CrashPlan, SimulatedCrash, put_faulty
from pynenc.testing.inline_runner import InlineRunner

_S = InvocationStatus


@pytest.fixture
def app() -> Pynenc:
    return Pynenc({"app_id": "often", "logging_level": "critical", "cached_status_time": 0.0})


@pytest.fixture
def plan(app: Pynenc) -> CrashPlan:
    plan = put_faulty(app)
    plan.arm(None)
    return plan


def run(app: Pynenc) -> None:
    """Run all that is due; a look that finds only the message of one that has ended finds nothing."""
    while any(depth.ready for depth in app.broker.depth(app.broker.queues()).values()):
        InlineRunner(app).run_due()


# --- throttle --------------------------------------------------------------------------


def test_the_first_stands_for_the_others_until_the_time_is_over(app: Pynenc, plan: CrashPlan) -> None:
    add = app.task(plain_tasks.add, throttle=60)
    first = add(1)
    run(app)
    second, third = add(1), add(2)
    assert first.result == second.result == third.result == 11
    assert (second.invocation_id, third.invocation_id) == (first.invocation_id, first.invocation_id)
    assert isinstance(third, ReusedInvocation)
    assert (third.kwargs, third.refused_arguments, third.different_arguments) == ({"x": 1}, {"x": 2}, ("x",))
    assert isinstance(second, ReusedInvocation)
    assert (second.kwargs, second.refused_arguments) == ({"x": 1}, {})
    plan.clock_offset_s += 61
    fourth = add(2)
    run(app)
    assert (fourth.result, app.count(add)) == (12, 2)


def test_keys_are_throttled_for_themselves(app: Pynenc) -> None:
    add = app.task(plain_tasks.add, throttle=60, key_arguments=["x"])
    calls = [add(1, 1), add(2, 1), add(1, 2), add(2, 2)]
    run(app)
    assert [call.result for call in calls] == [2, 3, 2, 3]


def test_other_arguments_may_be_refused(app: Pynenc) -> None:
    add = app.task(plain_tasks.add, throttle=60, key_arguments=["x"], on_diff_non_key_args_raise=True)
    add(1, 1)
    with pytest.raises(InvocationConcurrencyWithDifferentArgumentsError, match="differs in: y"):
        add(1, 2)
    assert app.count(add) == 1


def test_one_whose_first_is_gone_runs(app: Pynenc) -> None:
    add = app.task(plain_tasks.add, throttle=60)
    first = add(1)
    run(app)
    (state,) = app.orchestrator.read_states([first.invocation_id])
    assert state is not None
    app.orchestrator.delete([state])
    assert add(1).invocation_id != first.invocation_id


# --- debounce --------------------------------------------------------------------------


def test_the_last_takes_the_place_of_those_before(app: Pynenc, plan: CrashPlan) -> None:
    add = app.task(plain_tasks.add, debounce=10)
    calls = [add(1), add(2), add(3)]
    plan.clock_offset_s += 5
    run(app)
    calls.append(add(4))
    plan.clock_offset_s += 9
    run(app)
    assert calls[-1].status == _S.REGISTERED
    plan.clock_offset_s += 2
    run(app)
    assert calls[-1].result == 14
    assert [call.status for call in calls[:3]] == [_S.CONCURRENCY_CONTROLLED_FINAL] * 3
    with pytest.raises(
        ConcurrencyControlledError, match=f"{calls[3].invocation_id} of a later call has taken"
    ):
        _ = calls[2].result
    assert app.broker.queues() == []


def test_what_runs_is_not_taken_back(app: Pynenc, plan: CrashPlan) -> None:
    add = app.task(plain_tasks.add, debounce=10, key_arguments=["x"])
    first, other = add(1, 1), add(2, 1)
    plan.clock_offset_s += 11
    run(app)
    second = add(1, 2)
    plan.clock_offset_s += 11
    run(app)
    assert (first.result, other.result, second.result) == (2, 3, 3)


def test_many_at_once_leave_one(app: Pynenc, plan: CrashPlan) -> None:
    add = app.task(plain_tasks.add, debounce=10)
    made: list[Any] = []
    threads = [
        threading.Thread(target=lambda at=at: made.extend(add(at) for _ in range(5))) for at in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    plan.clock_offset_s += 11
    run(app)
    assert sorted(call.status for call in made) == [_S.CONCURRENCY_CONTROLLED_FINAL] * 19 + [_S.SUCCESS]


def test_a_crash_at_any_operation_loses_no_last_call(app: Pynenc, plan: CrashPlan) -> None:
    add = app.task(plain_tasks.add, debounce=10)

    def scenario() -> None:
        add(1)
        add(2)

    scenario()
    for number in range(plan.steps):
        for after in (False, True):
            plan.arm(None)
            app.purge()
            add(0)
            plan.arm(number, after)
            with contextlib.suppress(SimulatedCrash):
                scenario()
            plan.arm(None)
            for _ in range(2):  # what has no message is looked for when the queue is empty
                plan.clock_offset_s += 1000
                recovery.recover(app.components, "boss")
                run(app)
            ended = {record.status for _, record in app.find_records()}
            assert _S.SUCCESS in ended, (number, after)
            assert ended <= {_S.SUCCESS, _S.CONCURRENCY_CONTROLLED_FINAL}, (number, after)


# --- definitions -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"throttle": 1, "debounce": 1},
        {"throttle": 1, "registration_concurrency": "task"},
        {"debounce": 1, "registration_concurrency": "arguments"},
    ],
)
def test_one_way_at_a_time(app: Pynenc, options: Any) -> None:
    with pytest.raises(TaskDefinitionError, match="only one of them"):
        app.task(plain_tasks.add, **options)


@pytest.mark.parametrize("value", [0, -1, True, "soon", float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["throttle", "debounce"])
def test_wrong_times_are_refused(app: Pynenc, name: str, value: Any) -> None:
    with pytest.raises(Exception, match=name):
        app.task(plain_tasks.add, **{name: value})
