"""Triggers that fail: each is told, tried again, and touches no other."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import msgspec
import plain_tasks
import pytest
from clocks import Clock

from pynenc import Pynenc
from pynenc.exceptions import StorageUnavailableError
from pynenc.testing.evaluating import Evaluating, fired
from pynenc.trigger import all_of, on_cron, on_event
from pynenc.trigger.records import RunState

broken: set[str] = set()


def arguments(context: Any) -> dict[str, Any]:
    """Make arguments, unless that is broken just now."""
    if "arguments" in broken:
        raise LookupError("no arguments today")
    return {"value": context.payload["value"]}


def part_arguments(context: Any) -> dict[str, Any]:
    if "arguments" in broken:
        raise LookupError("no arguments today")
    return {"value": [part.payload["value"] for part in context.parts]}


def is_wanted(payload: Any) -> bool:
    if "filter" in broken:
        raise SystemExit(3)
    return True


@pytest.fixture
def app() -> Iterator[Pynenc]:
    broken.clear()
    app = Pynenc({"app_id": "retries", "trigger_retry_seconds": 100})
    yield app
    Pynenc.discard("retries")


@pytest.fixture
def clock(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(app, monkeypatch)


def define(app: Pynenc, function: Any, builder: Any) -> Any:
    task = app.task(triggers=builder)(function)
    app.register_deferred_triggers()
    return task


@pytest.mark.parametrize("what", ["arguments", "filter"])
def test_what_failed_is_tried_again_until_it_works(app: Pynenc, clock: Clock, what: str) -> None:
    echo = define(app, plain_tasks.echo, on_event("code", is_wanted).with_args_from_event(arguments))
    other = define(app, plain_tasks.log, on_event("code").with_arguments({"value": 0}))
    broken.add(what)
    app.trigger.emit_event("code", {"value": 7})
    evaluating = Evaluating(app)
    pause = evaluating.work()
    assert pause == pytest.approx(1.0, abs=0.1)
    assert len(fired(app, other)) == 1
    (run,) = app.trigger.find_runs(state=RunState.RETRYING)
    assert (run.attempts, fired(app, echo)) == (1, [])
    clock.now += 1.01
    assert evaluating.work() == pytest.approx(2.0, abs=0.1)
    broken.clear()
    clock.now += 1.01
    assert evaluating.work() == pytest.approx(1.0, abs=0.1)  # not before its time
    clock.now += 1.01
    assert evaluating.work() is None
    (run,) = fired(app, echo)
    assert (run.attempts, len(fired(app, other))) == (3, 1)
    assert app.get_invocation(run.invocation_id).arguments.kwargs == {"value": 7}
    assert app.trigger.find_problems() == []
    assert app.trigger.find_retries(None, 10) == []


def test_a_composite_is_tried_again_with_its_parts(app: Pynenc, clock: Clock) -> None:
    echo = define(
        app, plain_tasks.echo, all_of(on_event("a"), on_event("b")).with_args_provider(part_arguments)
    )
    broken.add("arguments")
    app.trigger.emit_event("a", {"value": 1})
    app.trigger.emit_event("b", {"value": 2})
    evaluating = Evaluating(app)
    evaluating.work()
    broken.clear()
    clock.now += 1.5
    evaluating.work()
    (run,) = fired(app, echo)
    assert app.get_invocation(run.invocation_id).arguments.kwargs == {"value": [1, 2]}


def correlated(context: Any) -> Any:
    if "correlate" in broken:
        raise SystemExit(4)
    return context.payload["value"]


@pytest.mark.parametrize("what", ["filter", "correlate"])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_part_of_a_composite_that_failed_is_made_later(
    app: Pynenc, clock: Clock, what: str, is_first: bool
) -> None:
    pair = all_of(on_event("a", is_wanted), on_event("b"), correlate_by=correlated)
    echo = define(app, plain_tasks.echo, pair.with_arguments({"value": 1}))
    other = define(app, plain_tasks.log, on_event("a").with_arguments({"value": 0}))
    evaluating = Evaluating(app)
    if not is_first:
        app.trigger.emit_event("b", {"value": 7})
        evaluating.work()
    broken.add(what)
    app.trigger.emit_event("a", {"value": 7})
    evaluating.work()
    assert len(fired(app, other)) == 1
    assert [problem.count for problem in app.trigger.find_problems()] == [1]
    clock.now += 1.01
    evaluating.work()
    (run,) = app.trigger.find_runs(state=RunState.RETRYING)
    assert run.attempts == 2
    broken.clear()
    clock.now += 2.01
    assert evaluating.work() is None
    assert app.trigger.find_problems() == []
    assert app.trigger.find_runs(state=RunState.RETRYING) == []
    if is_first:
        assert fired(app, echo) == []
        app.trigger.emit_event("b", {"value": 7})
        evaluating.work()
    (run,) = fired(app, echo)
    assert len(msgspec.json.decode(run.occurrences)) == 2
    assert len(app.trigger.find_runs()) == 2


def test_a_part_is_not_tried_for_ever_and_an_absent_value_not_at_all(app: Pynenc, clock: Clock) -> None:
    pair = all_of(on_event("a", is_wanted), on_event("b"), correlate_by="order")
    define(app, plain_tasks.echo, pair.with_arguments({"value": 1}))
    broken.add("filter")
    app.trigger.emit_event("a", {"order": 7})
    app.trigger.emit_event("b", {})
    evaluating = Evaluating(app)
    while (pause := evaluating.work()) is not None:
        clock.now += pause
    (run,) = app.trigger.find_runs()
    assert (run.state, run.attempts > 5) == (RunState.FAILED, True)
    (problem,) = app.trigger.find_problems()
    assert problem.count == run.attempts + 1  # what has no order to correlate by is told once


def test_trying_ends_some_day_and_the_reason_stays(app: Pynenc, clock: Clock) -> None:
    define(app, plain_tasks.echo, on_event("code").with_args_from_event(arguments))
    broken.add("arguments")
    app.trigger.emit_event("code", {"value": 7})
    evaluating = Evaluating(app)
    looks = 0
    while (pause := evaluating.work()) is not None:
        clock.now += pause
        looks += 1
    (run,) = app.trigger.find_runs()
    assert run.state == RunState.FAILED
    assert "no arguments today" in (run.reason or "")
    assert run.attempts == looks + 1
    assert 5 < run.attempts < 10
    (problem,) = app.trigger.find_problems()
    assert (problem.count, problem.error) == (run.attempts, run.reason)
    assert problem.first_at < problem.at


def test_another_runner_tries_again_what_a_dead_one_has_left(app: Pynenc, clock: Clock) -> None:
    echo = define(app, plain_tasks.echo, on_event("code").with_args_from_event(arguments))
    broken.add("arguments")
    app.trigger.emit_event("code", {"value": 7})
    Evaluating(app, "dead").work()
    broken.clear()
    successor = Evaluating(app, "successor")
    successor.work()
    clock.now += 2
    successor.work()
    Evaluating(app, "third").work()
    assert len(fired(app, echo)) == 1


def test_a_removed_trigger_is_not_tried_again(app: Pynenc, clock: Clock) -> None:
    echo = define(app, plain_tasks.echo, on_event("code").with_args_from_event(arguments))
    broken.add("arguments")
    app.trigger.emit_event("code", {"value": 7})
    Evaluating(app).work()
    app.trigger.register(echo.task_id, [])
    clock.now += 2
    assert Evaluating(app).work() is None
    (run,) = app.trigger.find_runs()
    assert (run.state, run.reason) == (
        RunState.FAILED,
        "the trigger was removed before it could start its task",
    )
    assert app.trigger.find_problems() == []


def test_a_retry_that_cannot_be_read_is_over_and_the_others_go_on(app: Pynenc, clock: Clock) -> None:
    echo = define(app, plain_tasks.echo, on_event("code").with_args_from_event(arguments))
    broken.add("arguments")
    for value in range(3):
        app.trigger.emit_event("code", {"value": value})
    Evaluating(app).work()
    damaged = app.trigger.find_runs(state=RunState.RETRYING)[1]
    hostile = msgspec.structs.replace(damaged, parts='[{"occurrence": 3}]', run_id="hostile")
    app.trigger.mark_evaluated([], [hostile])
    broken.clear()
    clock.now += 2
    Evaluating(app).work()
    assert len(fired(app, echo)) == 3
    (run,) = app.trigger.find_runs(state=RunState.FAILED)
    assert run.run_id == "hostile"
    assert "cannot be read any more" in (run.reason or "")


def test_a_problem_is_told_once_per_change(
    app: Pynenc, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    define(app, plain_tasks.echo, on_event("code").with_args_from_event(arguments))
    broken.add("arguments")
    evaluating = Evaluating(app)
    with caplog.at_level(logging.ERROR):
        for value in range(5):
            app.trigger.emit_event("code", {"value": value})
            evaluating.work()
    assert len([each for each in caplog.records if "no arguments today" in each.getMessage()]) == 1
    broken.clear()
    app.trigger.emit_event("code", {})
    with caplog.at_level(logging.ERROR):
        evaluating.work()
    assert "KeyError" in caplog.records[-1].getMessage()


def test_a_schedule_that_fails_stops_no_other(
    app: Pynenc, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = define(app, plain_tasks.log, on_cron("* * * * * *"))
    good = define(app, plain_tasks.nothing, on_cron("* * * * * *"))
    heard = define(app, plain_tasks.echo, on_event("code"))
    evaluating = Evaluating(app)
    evaluating.work()
    (entry,) = [each for each in evaluating.catalog.timed() if each.task_id == bad.task_id.key]

    def fail(moment: float) -> float:
        raise ArithmeticError("no such time")

    monkeypatch.setattr(entry.schedule, "following", fail)
    monkeypatch.setattr(evaluating.catalog, "refresh", lambda older_than_s=0.0: None)
    app.trigger.emit_event("code", {"value": 1})
    for _ in range(8):
        clock.now += 0.5
        evaluating.work()
    assert len(fired(app, good)) == 4
    assert len(fired(app, heard)) == 1
    (problem,) = app.trigger.find_problems()
    assert (problem.task_id, problem.error) == (bad.task_id.key, "ArithmeticError: no such time")
    assert problem.count == 2  # after 1.5 and 2.5 seconds; the next look is after 4.5


def test_a_storage_that_is_away_is_no_problem_of_a_trigger(
    app: Pynenc, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    define(app, plain_tasks.echo, on_cron("* * * * * *"))
    evaluating = Evaluating(app)
    evaluating.work()

    def away(names: Any) -> Any:
        raise StorageUnavailableError("away")

    clock.now += 2
    with monkeypatch.context() as patch:
        patch.setattr(app.trigger, "read_marks", away)
        with pytest.raises(StorageUnavailableError):
            evaluating.ticker.tick()
    assert app.trigger.find_problems() == []


def test_another_process_solves_a_problem(app: Pynenc, clock: Clock) -> None:
    define(app, plain_tasks.echo, on_event("code").with_args_from_event(arguments))
    broken.add("arguments")
    app.trigger.emit_event("code", {"value": 1})
    Evaluating(app).work()
    broken.clear()
    other = Evaluating(app, "other")
    other.firing.problems.load()
    app.trigger.emit_event("code", {"value": 2})
    other.work()
    assert app.trigger.find_problems() == []


def test_parts_wait_for_a_filter_that_is_tried_again(app: Pynenc, clock: Clock) -> None:
    pair = all_of(on_event("a", is_wanted), on_event("b"), within=3)
    echo = define(app, plain_tasks.echo, pair.with_arguments({"value": 1}))
    evaluating = Evaluating(app)
    broken.add("filter")
    app.trigger.emit_event("a", {"value": 7})
    app.trigger.emit_event("b", {"value": 7})
    evaluating.work()
    for _ in range(12):  # far longer than the other part waits
        clock.now += 1
        evaluating.work()
    broken.clear()
    clock.now += 10
    evaluating.work()
    assert len(fired(app, echo)) == 1
    app.trigger.emit_event("a", {"value": 8})
    for _ in range(3):  # what nothing is tried again for expires as ever
        evaluating.work()
        clock.now += 20
    assert app.trigger.find_runs(state=RunState.RETRYING) == []
    assert len(fired(app, echo)) == 1
    (dropped,) = [run for run in app.trigger.find_runs() if run.reason]
    assert dropped.reason == "the other conditions were not met within 3 s"
