"""Workflows on real runners: changed code, steps, coroutines, and many at once."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import workflow_bodies
from parked import until_parked

from pynenc import Pynenc
from pynenc.exceptions import (
    InvocationCancelledError,
    NonDeterminismError,
    SerializationError,
    TaskDefinitionError,
    WorkflowUsageError,
)
from pynenc.testing.app_fixtures import running

RUNNERS = {
    "threads": {"runner_cls": "ThreadRunner", "max_threads": 2},
    "asyncio": {"runner_cls": "AsyncRunner", "max_concurrency": 2},
}


@pytest.fixture(autouse=True)
def forgotten() -> None:
    workflow_bodies.DONE.clear()


@pytest.fixture(params=["threads", "asyncio"])
def app(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Pynenc]:
    app = Pynenc(
        {
            "app_id": f"workflows-{request.param}",
            "backend": "sqlite",
            "sqlite_db_path": str(tmp_path / "pynenc.db"),
            "logging_level": "critical",
            "workflow_park_after_seconds": 0.0,
            **RUNNERS[request.param],
        }
    )
    for body in (workflow_bodies.double, workflow_bodies.shaky, workflow_bodies.reads_data):
        app.task(body)
    yield app
    Pynenc.discard(app.app_id)


# --- changed code ----------------------------------------------------------------------


def test_changed_code_is_detected_and_explained(app: Pynenc) -> None:
    app.conf.blocked_workflow_grace = 0
    root = app.workflow(workflow_bodies.first_version)
    with running(app):
        call = root()
        until_parked(app, call)
        root.func = workflow_bodies.incompatible_version
        app.send_event(call.invocation_id, "go")
        with pytest.raises(NonDeterminismError) as caught:
            _ = call.result
    text = str(caught.value)
    assert "operation 1 was step 'pay', and it now does step 'check stock'" in text
    assert "patched" in text
    assert "->   1  step 'pay'                               step 'check stock'" in text
    assert "     0  step 'validate'                          step 'validate'" in text


def test_code_that_does_less_is_detected(app: Pynenc) -> None:
    app.conf.blocked_workflow_grace = 0
    root = app.workflow(workflow_bodies.first_version)
    with running(app):
        call = root()
        until_parked(app, call)
        root.func = workflow_bodies.shorter_version
        app.send_event(call.invocation_id, "go")
        with pytest.raises(NonDeterminismError, match="operation 1 was step 'pay', and the body ended"):
            _ = call.result


@pytest.mark.parametrize(
    "wrong", [workflow_bodies.incompatible_version, workflow_bodies.shorter_version], ids=["other", "shorter"]
)
def test_a_wrong_deploy_that_is_taken_back_leaves_no_failed_workflow(app: Pynenc, wrong: Any) -> None:
    root = app.workflow(workflow_bodies.first_version)
    with running(app):
        call = root()
        until_parked(app, call, "event")
        root.func = wrong
        app.send_event(call.invocation_id, "go")
        until_parked(app, call, "code that can run it: the code no longer fits")
        root.func = workflow_bodies.first_version
        assert call.wait(60) == ["valid", "paid", "shipped"]
    (state,) = app.orchestrator.read_states([call.invocation_id])
    assert state is not None
    assert state.retries == 0


def test_a_blocked_workflow_can_be_cancelled(app: Pynenc) -> None:
    root = app.workflow(workflow_bodies.first_version)
    with running(app):
        call = root()
        until_parked(app, call, "event")
        root.func = workflow_bodies.shorter_version
        app.send_event(call.invocation_id, "go")
        until_parked(app, call, "code that can run it")
        call.cancel()
        with pytest.raises(InvocationCancelledError):
            call.wait(60)


def test_patched_code_lives_with_old_and_new_instances(app: Pynenc) -> None:
    root = app.workflow(workflow_bodies.first_version)
    with running(app):
        old = root()
        until_parked(app, old)
        root.func = workflow_bodies.patched_version
        new = root()
        until_parked(app, new)
        for call in (old, new):
            app.send_event(call.invocation_id, "go")
        assert old.result == ["valid", "paid", False, "shipped"]
        assert new.result == ["valid", "there", "paid", True, "shipped"]


# --- steps -----------------------------------------------------------------------------


def test_a_step_is_tried_again_and_recorded_once(app: Pynenc) -> None:
    with running(app):
        assert app.workflow(workflow_bodies.many_attempts)().result == "connect"
    assert workflow_bodies.DONE["connect"] == 3


def test_a_step_has_a_time_limit(app: Pynenc) -> None:
    with running(app):
        text = app.workflow(workflow_bodies.too_slow)().result
        assert text == "step 'slow' took longer than its timeout of 0.01 s"
        assert app.workflow(workflow_bodies.slow_async_step)().result == text


def test_a_failure_that_the_body_has_caught_stays_one(app: Pynenc) -> None:
    with running(app):
        call = app.workflow(workflow_bodies.catches_a_failure)()
        until_parked(app, call)
        app.send_event(call.invocation_id, "go")
        assert call.result == ["always failed", "1"]


def test_a_retry_goes_back_to_the_step_that_failed(app: Pynenc) -> None:
    root = app.workflow(max_retries=1, retry_for=(ConnectionError,))(
        workflow_bodies.retries_from_the_failed_step
    )
    with running(app):
        assert root().result == [1, 2]


def test_a_retry_starts_another_child_for_one_that_failed(app: Pynenc) -> None:
    root = app.workflow(max_retries=1, retry_for=(ConnectionError,))(
        workflow_bodies.retries_with_another_child
    )
    with running(app):
        assert root().result == "child"
    assert workflow_bodies.DONE["child"] == 2


def test_operations_inside_a_step_are_refused(app: Pynenc) -> None:
    with running(app), pytest.raises(WorkflowUsageError, match="inside the step 'outer'"):
        _ = app.workflow(workflow_bodies.calls_inside_a_step)().result


def test_the_invocations_of_a_workflow_share_data(app: Pynenc) -> None:
    with running(app):
        assert app.workflow(workflow_bodies.shares_data)().result == [
            [{"a": 1}, "WorkflowUsageError"],
            "default",
        ]


def test_a_workflow_sends_an_event_once(app: Pynenc) -> None:
    other = app.workflow(workflow_bodies.sleeps_for_long)()
    with running(app):
        call = app.workflow(workflow_bodies.wakes_another)(other.invocation_id)
        assert other.result == "awake"
        until_parked(app, call)
        app.send_event(call.invocation_id, "go")
        assert call.result == "done"
        late = app.workflow(workflow_bodies.wakes_another)(other.invocation_id)
        with pytest.raises(WorkflowUsageError, match="would reach nobody"):
            _ = late.result
    assert app.state_backend.count_events(other.invocation_id) == 1


def test_an_event_that_was_sent_may_be_sent_again_after_the_end(app: Pynenc) -> None:
    call = app.workflow(workflow_bodies.sleeps_for_long)()
    with running(app):
        app.send_event(call.invocation_id, "wake up", event_id="once")
        assert call.result == "awake"
    assert app.send_event(call.invocation_id, "wake up", event_id="once") == "once"
    with pytest.raises(WorkflowUsageError, match="would reach nobody"):
        app.send_event(call.invocation_id, "wake up", event_id="another")
    assert app.state_backend.count_events(call.invocation_id) == 1


def test_a_wait_for_an_event_has_a_time_limit(app: Pynenc) -> None:
    with running(app):
        assert app.workflow(workflow_bodies.waits_in_vain)().result == "no event 'never' came in time"


MISUSES = {
    "a step without a name": (ValueError, "a step needs a name"),
    "a step with negative retries": (ValueError, "must not be negative"),
    "a step without time": (ValueError, "a timeout must be more than nothing"),
    "a negative sleep": (ValueError, "a sleep takes a time that is not negative, not -1"),
    "an event without a code": (ValueError, "an event needs a code"),
    "an unknown operator": (TaskDefinitionError, "near"),
    "wrong arguments of a child": (TypeError, "too many positional arguments"),
    "wrong arguments of a compensation": (TypeError, "missing a required argument: 'number'"),
    "wrong arguments to continue with": (TypeError, "too many positional arguments"),
    "a value that cannot be kept": (SerializationError, "set_data 's'"),
}


@pytest.mark.parametrize("what", MISUSES)
def test_wrong_input_is_refused_and_nothing_is_recorded(app: Pynenc, what: str) -> None:
    kind, text = MISUSES[what]
    call = app.workflow(workflow_bodies.misuse)(what)
    with running(app), pytest.raises(kind, match=re.escape(text)):
        _ = call.result
    assert app.state_backend.find_steps(call.invocation_id, 9) == []


# --- coroutines ------------------------------------------------------------------------


def test_children_are_gathered(app: Pynenc) -> None:
    with running(app):
        assert app.workflow(workflow_bodies.gathers)(10).result == [2 * number for number in range(10)]
    assert sum(workflow_bodies.DONE.values()) == 10


def test_coroutines_park_when_all_of_them_wait(app: Pynenc) -> None:
    with running(app):
        call = app.workflow(workflow_bodies.side_by_side)()
        until_parked(app, call, "event")
        for number in (2, 0, 1):
            app.send_event(call.invocation_id, f"go {number}", {"n": number})
        result = call.result
    assert [each[:3] for each in result] == [[2 * n, f"said {n}", n] for n in range(3)]
    assert {name: count for name, count in workflow_bodies.DONE.items() if count != 1} == {}
    assert len({each[3] for each in result}) == 3


def test_a_coroutine_that_sleeps_does_not_stop_another(app: Pynenc) -> None:
    with running(app):
        assert app.workflow(workflow_bodies.sleeps_and_works)().result == [8, "rested"]


def test_a_coroutine_that_is_cancelled_compensates(app: Pynenc) -> None:
    with running(app):
        call = app.workflow(workflow_bodies.async_saga)()
        until_parked(app, call, "event")
        call.cancel()
        with pytest.raises(InvocationCancelledError):
            _ = call.result
    assert dict(workflow_bodies.DONE) == {"double 1": 1, "double 100": 1}


@pytest.mark.parametrize(
    "body", [workflow_bodies.saga_with_gated_child, workflow_bodies.async_saga_with_gated_child]
)
def test_a_body_that_waits_for_a_child_hears_that_it_is_cancelled(app: Pynenc, body: Any) -> None:
    workflow_bodies.GATE.clear()
    gated = app.task(workflow_bodies.gated)
    with running(app):
        call = app.workflow(body)()
        while not app.find_invocations(task=gated, statuses="running"):
            time.sleep(0.005)
        try:
            call.cancel()
            with pytest.raises(InvocationCancelledError):
                _ = call.wait(20)
        finally:
            workflow_bodies.GATE.set()
    assert dict(workflow_bodies.DONE) == {"double 7": 1}


# --- many ------------------------------------------------------------------------------


def test_a_thousand_parked_workflows_hold_no_thread(app: Pynenc) -> None:
    root, before = app.workflow(workflow_bodies.sleeps_for_long), threading.active_count()
    with running(app):
        calls = list(root.parallelize([()] * 1000))
        ids = [call.invocation_id for call in calls]
        while not all(state and state.is_parked for state in app.orchestrator.read_states(ids)):
            time.sleep(0.01)
        assert threading.active_count() < before + 20
        for call in calls[:50]:
            app.send_event(call.invocation_id, "wake up")
        assert {call.result for call in calls[:50]} == {"awake"}


def test_a_parent_is_parked_while_its_child_workflow_is(app: Pynenc) -> None:
    app.workflow(workflow_bodies.sleeps_for_long)
    with running(app):
        call = app.workflow(workflow_bodies.waits_for_a_child)()
        until_parked(app, call, "workflow ")
        child_id = app.workflow_data(call.invocation_id)["child"]
        child = app.get_invocation(child_id)
        assert child.workflow.parent_id == call.invocation_id
        app.send_event(child_id, "wake up")
        assert call.wait(20) == ["awake", "after"]


def test_a_coroutine_is_parked_while_its_child_workflow_is(app: Pynenc) -> None:
    app.workflow(workflow_bodies.sleeps_for_long)
    with running(app):
        call = app.workflow(workflow_bodies.async_waits_for_a_child)()
        until_parked(app, call, "workflow ")
        app.send_event(app.workflow_data(call.invocation_id)["child"], "wake up")
        assert call.wait(20) == "child: awake"


def test_a_coroutine_that_waits_for_children_and_an_event_is_parked(app: Pynenc) -> None:
    app.workflow(workflow_bodies.sleeps_for_long)
    with running(app):
        call = app.workflow(workflow_bodies.gathers_children_and_an_event)()
        until_parked(app, call, "event 'own', workflow ")
        app.send_event(call.invocation_id, "own", {"by": "Ada"})
        until_parked(app, call, "workflow ")
        app.send_event(app.workflow_data(call.invocation_id)["child"], "wake up")
        assert call.wait(20) == ["awake", {"by": "Ada"}, 8]


def test_a_coroutine_that_is_parked_for_a_child_can_be_cancelled(app: Pynenc) -> None:
    app.workflow(workflow_bodies.sleeps_for_long)
    with running(app):
        call = app.workflow(workflow_bodies.async_waits_for_a_child)()
        until_parked(app, call, "workflow ")
        child = app.get_invocation(app.workflow_data(call.invocation_id)["child"])
        call.cancel()
        for each in (call, child):
            with pytest.raises(InvocationCancelledError):
                each.wait(20)


def test_a_long_record_is_replayed_page_by_page(app: Pynenc) -> None:
    with running(app):
        call = app.workflow(workflow_bodies.many_steps)(2500)
        until_parked(app, call)
        app.send_event(call.invocation_id, "go")
        assert call.result == 2500


# --- development -----------------------------------------------------------------------


def test_inline_workflows_behave_the_same(app: Pynenc) -> None:
    app.conf.dev_mode_force_sync_tasks = True
    assert app.workflow(workflow_bodies.many_attempts)().result == "connect"
    assert app.workflow(workflow_bodies.shares_data)().result[0][0] == {"a": 1}
    assert app.workflow(workflow_bodies.gathers)(3).result == [0, 2, 4]
    retried = app.workflow(max_retries=1, retry_for=(ConnectionError,))(
        workflow_bodies.retries_from_the_failed_step
    )
    assert retried().result == [1, 2]
    with pytest.raises(WorkflowUsageError, match="runs inline"):
        _ = app.workflow(workflow_bodies.sleeps_for_long)().result
