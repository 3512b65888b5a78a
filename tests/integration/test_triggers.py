"""Triggers start tasks: the founding examples, and what they promise."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import plain_tasks
import pytest
from parked import until

from pynenc import Pynenc
from pynenc.storage.group import Group
from pynenc.testing.app_fixtures import running
from pynenc.trigger import TriggerBuilder, on_cron, on_event, on_exception, on_result, on_status
from pynenc.trigger.conditions.composite import CompositeLogic
from pynenc.trigger.records import EVENT, Occurrence, RunState, TriggerRun


@pytest.fixture(params=["mem", "sqlite"])
def app(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Pynenc]:
    app = Pynenc(
        {
            "app_id": f"triggers-{request.param}",
            "backend": request.param,
            "sqlite_db_path": str(tmp_path / "pynenc.db"),
            "runner_cls": "ThreadRunner",
            "max_threads": 1,
            "logging_level": "critical",
        }
    )
    yield app
    Pynenc.discard(app.app_id)


def runs_of(app: Pynenc, task: Any, state: RunState = RunState.FIRED) -> list[TriggerRun]:
    return [
        run
        for run in app.trigger.find_runs(limit=10_000)
        if run.task_id == task.task_id.key and run.state == state
    ]


def results_of(app: Pynenc, task: Any, count: int) -> list[Any]:
    """The results of the invocations that triggers have started, oldest first."""
    runs = until(lambda: len(found := runs_of(app, task)) >= count and found)
    return [app.get_invocation(run.invocation_id).result for run in reversed(runs)]


def test_events_start_tasks_in_their_order(app: Pynenc) -> None:
    log = app.task(triggers=on_event("paid", {"order.amount": {"$gt": 10}}))(plain_tasks.log)
    plain_tasks.LOGGED.clear()
    with running(app):
        for amount in (5, *range(11, 60), 7):
            app.trigger.emit_event("paid", {"order": {"amount": amount}, "value": amount})
        assert len(results_of(app, log, 49)) == 49
        until(lambda: not app.trigger.open_occurrences(1))
    assert len(runs_of(app, log)) == 49
    assert list(range(11, 60)) == plain_tasks.LOGGED


def test_the_founding_example_of_a_composite_with_a_lambda(app: Pynenc) -> None:
    validate = app.task(plain_tasks.add)
    both = (
        TriggerBuilder()
        .on_event("payment.received")
        .on_status("add")
        .with_logic(CompositeLogic.AND)
        .with_arguments(lambda ctx: {"value": ctx["event"].payload["id"]})
    )
    process = app.task(triggers=both)(plain_tasks.echo)
    with running(app):
        app.trigger.emit_event("payment.received", {"id": "p1"})
        until(lambda: not app.trigger.open_occurrences(1))
        assert runs_of(app, process) == []
        assert validate(1, 2).result == 3
        assert results_of(app, process, 1) == ["p1"]


def test_status_result_and_exception_start_tasks(app: Pynenc) -> None:
    add = app.task(plain_tasks.add)
    triggers = [
        on_result(add, lambda result: result > 5).with_args_from_result(lambda ctx: {"value": ctx.result}),
        on_status(add, call_arguments={"x": 1}).with_args_static({"value": "one"}),
        on_exception(add, TypeError).with_args_from_exception(lambda ctx: {"value": ctx.exception_type}),
    ]
    echo = app.task(triggers=triggers)(plain_tasks.echo)
    with running(app):
        add(2, 2), add(3, 3), add(1, 1), add(1, "a")
        assert sorted(map(str, results_of(app, echo, 3))) == ["6", "TypeError", "one"]


def test_a_per_second_cron_ticks(app: Pynenc) -> None:
    tick = app.task(triggers=on_cron("* * * * * *").with_args_static({"value": "tick"}))(plain_tasks.echo)
    with running(app):
        assert results_of(app, tick, 2)[:2] == ["tick", "tick"]


def test_a_loop_is_stopped(app: Pynenc) -> None:
    looping = TriggerBuilder().on_status("echo").with_arguments({"value": 0})
    echo = app.task(triggers=looping)(plain_tasks.echo)
    with running(app):
        echo(1)
        (stopped,) = until(lambda: runs_of(app, echo, RunState.STOPPED))
    assert "in a loop" in (stopped.reason or "")
    assert len(runs_of(app, echo)) == app.trigger.conf.max_trigger_depth


def test_a_rate_cap_holds(app: Pynenc) -> None:
    capped = on_event("often").with_rate_cap(2, per=3600).with_arguments({"value": 1})
    echo = app.task(triggers=capped)(plain_tasks.echo)
    with running(app):
        for _ in range(5):
            app.trigger.emit_event("often")
        until(lambda: len(runs_of(app, echo, RunState.CAPPED)) == 3)
    assert len(runs_of(app, echo)) == 2


def test_what_cannot_be_started_is_told(app: Pynenc) -> None:
    echo = app.task(triggers=on_event("odd"))(plain_tasks.echo)
    with running(app):
        app.trigger.emit_event("odd", {"other": 1})
        (run,) = until(lambda: runs_of(app, echo, RunState.RETRYING))
    assert "missing a required argument: 'value'" in (run.reason or "")


def test_an_event_that_nobody_evaluated_is_evaluated_later(app: Pynenc) -> None:
    echo = app.task(triggers=on_event("early"))(plain_tasks.echo)
    app.register_deferred_triggers()
    app.trigger.emit_event("early", {"value": 7}, event_id="once")
    app.trigger.emit_event("early", {"value": 7}, event_id="once")
    with running(app):
        assert results_of(app, echo, 1) == [7]
    invocation = app.state_backend.read_invocations([runs_of(app, echo)[0].invocation_id])[0]
    assert invocation is not None
    assert invocation.triggered_by == runs_of(app, echo)[0].run_id
    assert len(runs_of(app, echo)) == 1


def test_two_evaluators_fire_each_event_once(app: Pynenc) -> None:
    echo = app.task(triggers=on_event("many"))(plain_tasks.echo)
    with running(app):
        threads = [
            threading.Thread(
                target=lambda: [app.trigger.emit_event("many", {"value": 1}) for _ in range(100)]
            )
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        until(lambda: len(runs_of(app, echo)) >= 300)
        until(lambda: not app.trigger.open_occurrences(1))
    assert len(runs_of(app, echo)) == 300
    assert len(app.find_invocations(task=echo, limit=1000)) == 300


def test_what_occurred_long_ago_is_forgotten(app: Pynenc) -> None:
    app.conf.recovery_interval_seconds = 0.02
    store = app.trigger
    group = Group()
    old = [Occurrence(name, EVENT, "old", "{}", 1.0) for name in ("settled", "open")]
    store.stage_occurrences(group, old)
    group.send()
    store.mark_evaluated(["settled"], [TriggerRun("r", "t", "k.t", RunState.FIRED, "cause", 1.0, "", "[]")])
    recent = store.emit_event("old")
    with running(app):
        until(lambda: not store.find_runs())
        until(lambda: "settled" not in {event.event_id for event in store.find_events("old")})
    assert recent in {event.event_id for event in store.find_events("old")}


def test_triggers_and_runners_are_stored_again_after_a_purge(app: Pynenc) -> None:
    echo = app.task(triggers=on_event("again"))(plain_tasks.echo)
    with running(app):
        app.trigger.emit_event("again", {"value": 1})
        assert results_of(app, echo, 1) == [1]
        app.purge()
        until(lambda: app.trigger.find_definitions(echo.task_id.key))
        until(lambda: app.state_backend.read_runners([app.runner.runner_id])[0])
        app.trigger.emit_event("again", {"value": 2})
        assert results_of(app, echo, 1) == [2]
