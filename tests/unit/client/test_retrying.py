"""Retrying by hand: calls once more, and workflows on from their record."""

from __future__ import annotations

import sqlite3
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any, cast

import plain_tasks
import pytest
import retried_workflows as bodies

from pynenc import Pynenc
from pynenc.exceptions import InvocationError, InvocationNotFoundError, WorkflowUsageError
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.retention import calls_without_record, purge_ended
from pynenc.testing.faulty_storage import SimulatedCrash, put_faulty
from pynenc.testing.inline_runner import InlineRunner


def new_app(**settings: Any) -> Pynenc:
    bodies.DONE.clear()
    bodies.BROKEN.clear()
    app = Pynenc({"app_id": "retrying", "logging_level": "critical", "cached_status_time": 0.0, **settings})
    app.conf.workflow_park_after_seconds = 0.0
    app.task(bodies.charge)
    return app


@pytest.fixture
def app() -> Pynenc:
    return new_app()


def run(app: Pynenc) -> None:
    InlineRunner(app).run_due()


def failed(app: Pynenc, call: Any) -> Any:
    run(app)
    assert call.status == InvocationStatus.FAILED, call.status
    return call


def test_a_call_is_made_once_more(app: Pynenc) -> None:
    fail = app.task(plain_tasks.fail, queue="default")
    call = failed(app, fail.options(priority=7)("no"))
    again = call.retry()
    assert again.invocation_id != call.invocation_id
    (state,) = app.orchestrator.read_states([again.invocation_id])
    assert state is not None
    assert (state.priority, state.retries, state.status) == (7, 0, InvocationStatus.REGISTERED)
    assert again.kwargs == {"message": "no"}
    assert failed(app, again).error.args == ("no",)
    assert call.status == InvocationStatus.FAILED


def test_what_has_not_ended_cannot_be_retried(app: Pynenc) -> None:
    call = app.task(plain_tasks.add)(1)
    with pytest.raises(InvocationError, match="is registered; only what has ended"):
        call.retry()
    with pytest.raises(InvocationNotFoundError):
        app.retry_invocation("nothing")
    assert len(app.find_invocations()) == 1


@pytest.mark.parametrize("broken", ["step", "child", "body"])
def test_a_workflow_goes_on_from_its_record(app: Pynenc, broken: str) -> None:
    bodies.BROKEN.add(broken)
    root = app.workflow(bodies.order)
    call = failed(app, root("o1"))
    before = Counter(bodies.DONE)
    bodies.BROKEN.clear()
    again = call.retry()
    run(app)
    assert again.status == InvocationStatus.SUCCESS, again.error
    assert again.result == ["reserved o1", "charged o1", "shipped o1", "noted"]
    repeated = {name for name, times in (Counter(bodies.DONE) - before).items() if before[name]}
    assert repeated == {"step": {"ship"}, "child": {"charge"}, "body": set()}[broken]
    assert app.workflow_data(again.invocation_id) == {"note": "noted"}
    assert call.status == InvocationStatus.FAILED


@pytest.mark.parametrize(
    ("name", "repeated"), [("charge", {"charge", "ship"}), ("ship", {"ship"}), ("reserve", None)]
)
def test_a_workflow_goes_on_from_a_step(app: Pynenc, name: str, repeated: set[str] | None) -> None:
    call = app.workflow(bodies.order)("o1")
    run(app)
    assert call.status == InvocationStatus.SUCCESS
    again = call.retry(name)
    run(app)
    assert again.result == call.result
    twice = {each for each, times in bodies.DONE.items() if times == 2}
    assert twice == (repeated if repeated is not None else {"reserve", "charge", "ship"})


def test_a_step_that_is_not_recorded(app: Pynenc) -> None:
    call = app.workflow(bodies.order)("o1")
    run(app)
    with pytest.raises(
        WorkflowUsageError, match="no step 'refund'; it has: .*retried_workflows.charge, ship"
    ):
        call.retry("refund")
    assert len(app.find_workflows()) == 1


def test_a_success_is_done_anew(app: Pynenc) -> None:
    call = app.workflow(bodies.order)("o1")
    run(app)
    again = call.retry()
    run(app)
    assert again.result == call.result
    assert set(bodies.DONE.values()) == {2}


def test_what_has_compensated_begins_anew(app: Pynenc) -> None:
    app.task(bodies.refund)
    bodies.BROKEN.add("saga")
    call = failed(app, app.workflow(bodies.saga)("o1"))
    assert bodies.DONE == {"charge": 1, "refund": 1}
    bodies.BROKEN.clear()
    again = call.retry()
    run(app)
    assert again.result == "charged o1"
    assert bodies.DONE == {"charge": 2, "refund": 1}


def test_a_retry_of_a_retry(app: Pynenc) -> None:
    bodies.BROKEN.add("step")
    call = failed(app, app.workflow(bodies.order)("o1"))
    again = failed(app, call.retry())
    bodies.BROKEN.clear()
    third = again.retry()
    run(app)
    assert third.result[0] == "reserved o1"
    assert (bodies.DONE["reserve"], bodies.DONE["charge"], bodies.DONE["ship"]) == (1, 1, 3)


def test_one_that_continued_as_new_keeps_its_arguments(app: Pynenc) -> None:
    bodies.BROKEN.add("count")
    call = failed(app, app.workflow(bodies.counts)(3))
    bodies.BROKEN.clear()
    again = call.retry()
    run(app)
    assert again.result == "done"
    assert bodies.DONE == {"tick 3": 1, "tick 2": 1, "tick 1": 1}


def blocked_by_other_code(app: Pynenc) -> tuple[Any, Any]:
    """Return a workflow that code in another order has blocked, and its task."""
    app.task(bodies.refund)
    root = app.workflow(bodies.saga_that_waits)
    call = root("o1")
    run(app)
    root.func = bodies.saga_in_another_order
    app.send_event(call.invocation_id, "go")
    run(app)
    return root, call


def test_wrong_code_neither_compensates_nor_records(app: Pynenc) -> None:
    root, call = blocked_by_other_code(app)
    (state,) = app.orchestrator.read_states([call.invocation_id])
    assert state is not None
    assert "the code no longer fits" in (state.waits_for or "")
    assert bodies.DONE == {"charge": 1}
    root.func = bodies.saga_that_waits
    assert call.retry().invocation_id == call.invocation_id
    run(app)
    assert call.result == "charged o1"
    assert bodies.DONE == {"charge": 1}


def test_a_blocked_one_goes_on_from_a_step(app: Pynenc) -> None:
    _, call = blocked_by_other_code(app)
    call.retry(from_step="charge")
    app.send_event(call.invocation_id, "go")
    run(app)
    assert call.result == "charged o1"
    assert bodies.DONE == {"charge": 2}


def test_an_earlier_error_of_the_same_text_is_not_where_it_failed(app: Pynenc) -> None:
    bodies.BROKEN.add("card")
    call = failed(app, app.workflow(bodies.tries_two_cards)())
    bodies.BROKEN.clear()
    again = call.retry()
    run(app)
    assert again.result == "paid"
    assert bodies.DONE == {"first card": 1, "reserve": 1, "second card": 2}


def test_other_branches_are_kept(app: Pynenc) -> None:
    bodies.BROKEN.add("child")
    call = failed(app, app.workflow(bodies.side_by_side)())
    bodies.BROKEN.clear()
    again = call.retry()
    run(app)
    assert again.result == ["charged o1", "noted"]
    assert bodies.DONE == {"charge": 2, "note": 1}


def test_what_a_retry_may_ask_for_is_kept(app: Pynenc) -> None:
    bodies.BROKEN.add("step")
    call = failed(app, app.workflow(bodies.waits_at_the_end)())
    bodies.BROKEN.clear()
    again = call.retry()
    run(app)
    assert purge_ended(app.components, app.components.now() + 60) == 0
    app.send_event(again.invocation_id, "delivered")
    run(app)
    assert again.result == "charged o1"
    assert purge_ended(app.components, app.components.now() + 60) == 3


def test_the_pin_and_the_name_go_on(app: Pynenc) -> None:
    app.conf.code_version = "v1"
    bodies.BROKEN.add("body")
    root = app.workflow(bodies.order, pin_version=True)
    call = failed(app, root.options(workflow_id="order-1")("o1"))
    bodies.BROKEN.clear()
    again = call.retry()
    assert app.get_invocation("order-1") == again
    (state,) = app.orchestrator.read_states([again.invocation_id])
    assert state is not None
    assert (state.is_pinned, state.code_version) == (1, "v1")
    run(app)
    assert root.options(workflow_id="order-1")("o1").result == again.result
    assert app.workflow_data("order-1") == {"note": "noted"}
    assert app.retry_invocation("order-1").kwargs == {"order_id": "o1"}


def test_inline(app: Pynenc) -> None:
    app.conf.dev_mode_force_sync_tasks = True
    call = app.workflow(bodies.order)("o1")
    again = call.retry()
    assert again.result == call.result
    assert bodies.DONE["reserve"] == 2
    with pytest.raises(WorkflowUsageError, match="ran inline"):
        call.retry("ship")


def _keys(path: Path) -> set[tuple[str, str]]:
    """Return the keys of what is stored of invocations and workflows, each with its table."""
    found: set[tuple[str, str]] = set()
    with sqlite3.connect(path) as connection:
        for table in ("invocation", "workflow_step", "workflow_value"):
            rows = connection.execute(f'SELECT key FROM "retrying/{table}"')
            found |= {(table, key) for (key,) in rows}
    connection.close()
    return found


@pytest.mark.parametrize("after", [False, True])
def test_who_dies_while_retrying_leaves_nothing_behind(tmp_path: Path, after: bool) -> None:
    path = tmp_path / "retrying.db"
    app = new_app(backend="sqlite", sqlite_db_path=str(path))
    bodies.BROKEN.add("body")
    call = failed(app, app.workflow(bodies.order)("o1"))
    bodies.BROKEN.clear()
    before, plan = _keys(path), put_faulty(app)
    left_behind, seen = 0, {call.invocation_id}
    for die_at in count():
        plan.arm(die_at, after)
        try:
            call.retry()
            is_over = True
        except SimulatedCrash:
            is_over = False
        plan.arm(None)
        run(app)
        roots = app.find_invocations(task=call.task, limit=1000)
        retried = {each.invocation_id: each for each in roots if each.invocation_id not in seen}
        accepted = [each for each in retried if app.orchestrator.read_states([each])[0] is not None]
        for each in accepted:  # it went on from what was recorded, as if nobody had died
            if retried[each].status != InvocationStatus.REGISTERED:  # else its message is lost, not it
                assert retried[each].result == ["reserved o1", "charged o1", "shipped o1", "noted"]
        left_behind += not accepted and _keys(path) != before
        for _ in calls_without_record(app.components, app.components.now() + 60):
            pass
        if not accepted:
            assert _keys(path) == before
        before = _keys(path)
        seen |= set(retried)
        if is_over:
            break
    assert (die_at > 8, left_behind > 4) == (True, True)
    assert bodies.DONE["reserve"] == bodies.DONE["charge"] == 1
    app.close()


# --- relatives -------------------------------------------------------------------------


@pytest.mark.parametrize("inline", [False, True])
def test_parents_and_children(app: Pynenc, inline: bool) -> None:
    app.conf.dev_mode_force_sync_tasks = inline
    call = app.workflow(bodies.order)("o1")
    if not inline:
        run(app)
        call = cast(Any, app.get_invocation(call.invocation_id))
    (child,) = call.children
    assert (child.result, child.children) == ("charged o1", [])
    assert child.parent == call
    assert call.parent is None


def test_many_children(app: Pynenc) -> None:
    app.task(plain_tasks.nothing)
    call = app.task(bodies.starts_many)(450)
    run(app)
    assert len({each.invocation_id for each in call.children}) == 450
    assert [each.kwargs for each in call.children[:2]] == [{}, {}]


def test_a_parent_that_is_gone(app: Pynenc) -> None:
    call = app.workflow(bodies.order)("o1")
    run(app)
    (child,) = call.children
    app.state_backend.delete([(call.invocation_id, 1)])
    assert child.parent is None


def test_counting(app: Pynenc) -> None:
    add, fail = app.task(plain_tasks.add), app.task(plain_tasks.fail)
    add.parallelize([(each,) for each in range(7)])
    run(app)
    moment = app.components.now()
    fail("x")
    run(app)
    add(1)
    assert app.count() == 9
    assert (app.count(add), app.count("plain_tasks.fail"), app.count("no.thing")) == (8, 1, 0)
    assert app.count(statuses="success") == 7
    assert app.count(statuses=["failed", "registered"]) == 2
    assert (app.count(since=moment), app.count(add, since=moment)) == (2, 1)
    assert app.count(add, "success", since=moment) == 0
    with pytest.raises(ValueError, match="lost"):
        app.count(statuses="lost")
