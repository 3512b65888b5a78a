"""One evaluator at a time, and nothing that user code does ends evaluation."""

from __future__ import annotations

import sys
from typing import Any

import plain_tasks
import pytest

from pynenc import Pynenc
from pynenc.scheduler.catalog import TriggerCatalog
from pynenc.scheduler.evaluator import Evaluator
from pynenc.testing.evaluating import Evaluating, fired
from pynenc.testing.measure_suite import counting
from pynenc.trigger import TriggerBuilder, on_event
from pynenc.trigger.records import Mark, RunState
from pynenc.trigger.stored_records import DEFINED


def leave(payload: Any) -> bool:
    """A filter that ends the process."""
    sys.exit(3)


def leave_with_arguments(context: Any) -> dict[str, Any]:
    """A provider of arguments that ends the process."""
    raise SystemExit(3)


@pytest.fixture
def app() -> Pynenc:
    return Pynenc({"app_id": "evaluators", "logging_level": "critical", "trigger_retry_seconds": 0})


def evaluator(app: Pynenc, runner_id: str) -> Evaluator:
    catalog = TriggerCatalog(lambda: app.trigger, app.task_registry)
    catalog.refresh()
    return Evaluator(app.trigger, app.components, catalog, Evaluating(app).firing, runner_id)


def define(app: Pynenc, builder: TriggerBuilder) -> Any:
    task = app.task(plain_tasks.echo)
    app._store_deferred_trigger(task, builder)
    app.register_deferred_triggers()
    return task


@pytest.mark.parametrize(
    "builder",
    [
        on_event("paid", leave).with_arguments({"value": 1}),
        on_event("paid").with_arguments(leave_with_arguments),
    ],
)
def test_a_function_that_exits_fails_its_own_run_and_no_other(app: Pynenc, builder: TriggerBuilder) -> None:
    define(app, builder)
    good = app.task(plain_tasks.log)
    app._store_deferred_trigger(good, on_event("paid").with_arguments({"value": 2}))
    app.register_deferred_triggers()
    app.trigger.emit_event("paid")
    Evaluating(app).work()
    (failed,) = app.trigger.find_runs(state=RunState.FAILED)
    assert "SystemExit" in (failed.reason or "")
    assert len(fired(app, good)) == 1
    assert app.trigger.open_occurrences(10) == []


def test_a_lease_that_was_released_is_taken_at_once(app: Pynenc) -> None:
    task = define(app, on_event("paid").with_arguments({"value": 1}))
    one, other = evaluator(app, "r1"), evaluator(app, "r2")
    app.trigger.emit_event("paid")
    assert one.evaluate() is None
    app.trigger.emit_event("paid")
    held_for = other.evaluate()
    assert held_for is not None
    assert 0 < held_for < 3
    assert len(fired(app, task)) == 1
    with app.trigger.subscribe() as subscription:
        one.close()
        assert DEFINED in subscription.wait(60)
    other.forget_others()
    assert other.evaluate() is None
    assert len(fired(app, task)) == 2


def test_the_holder_keeps_its_lease_and_others_wait(app: Pynenc) -> None:
    task = define(app, on_event("paid").with_arguments({"value": 1}))
    one, other = evaluator(app, "r1"), evaluator(app, "r2")
    for number in range(5):
        app.trigger.emit_event("paid")
        if number:
            assert other.evaluate() is not None
        assert one.evaluate() is None
    assert len(fired(app, task)) == 5


def test_a_lease_of_a_clock_that_was_set_back_holds_nobody_up(app: Pynenc) -> None:
    task = define(app, on_event("paid").with_arguments({"value": 1}))
    app.trigger.swap_marks([(None, Mark("lease", "dead", app.trigger.now() + 3600))])
    app.trigger.emit_event("paid")
    assert evaluator(app, "r1").evaluate() is None
    assert len(fired(app, task)) == 1


def test_after_an_error_the_lease_stays_and_what_was_begun_is_completed(
    app: Pynenc, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = define(app, on_event("paid").with_arguments({"value": 1}))
    one = evaluator(app, "r1")
    app.trigger.emit_event("paid")

    def broken(*arguments: Any) -> Any:
        raise ConnectionError("away")

    with monkeypatch.context() as patch:
        patch.setattr(app.trigger, "mark_evaluated", broken)
        with pytest.raises(ConnectionError):
            one.evaluate()
        one.close()
    (lease,) = app.trigger.read_marks(["lease"])
    assert lease is not None
    assert lease.text == "r1"
    assert one.evaluate() is None
    assert len(fired(app, task)) == 1


def test_a_hundred_tasks_that_wait_for_one_event_are_started_in_few_writes(app: Pynenc) -> None:
    tasks = [app.task(plain_tasks.echo, name=f"bulk.echo{number}") for number in range(100)]
    keyed = app.task(plain_tasks.echo, name="bulk.keyed", registration_concurrency="TASK")
    for each in (*tasks, keyed):
        app._store_deferred_trigger(each, on_event("paid").with_arguments({"value": 1}))
    app.register_deferred_triggers()
    one = evaluator(app, "r1")
    app.trigger.emit_event("other")
    one.evaluate()  # takes the lease
    app.trigger.emit_event("paid")
    storages = {id(each.storage): each.storage for each in (app.broker, app.orchestrator, app.trigger)}  # type: ignore[attr-defined]
    with counting(list(storages.values())) as calls:
        one.evaluate()
    assert all(len(fired(app, each)) == 1 for each in (*tasks, keyed))
    assert len(calls) <= 15


def test_one_whose_arguments_cannot_be_carried_does_not_hold_up_the_other_tasks(app: Pynenc) -> None:
    tasks = [app.task(plain_tasks.echo, name=f"bulk.echo{number}") for number in range(3)]
    for number, each in enumerate(tasks):
        value = (lambda context: {"value": object()}) if number == 1 else {"value": number}
        app._store_deferred_trigger(each, on_event("paid").with_arguments(value))
    app.register_deferred_triggers()
    app.trigger.emit_event("paid")
    evaluator(app, "r1").evaluate()
    assert [len(fired(app, each)) for each in tasks] == [1, 0, 1]
    (failed,) = app.trigger.find_runs(state=RunState.FAILED)
    assert failed.task_id.endswith("bulk.echo1")
