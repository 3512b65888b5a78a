"""What users test their own workflows with: a clock of the test's own, and crashes everywhere."""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta
from typing import Any

import plain_tasks
import pytest
import rehearsed_workflows as bodies

from pynenc import Pynenc
from pynenc.exceptions import WorkflowUsageError
from pynenc.testing.crash_exploration import explore_crashes
from pynenc.testing.rehearsal import rehearsing
from pynenc.trigger import on_cron, on_event


@pytest.fixture
def app() -> Pynenc:
    app = Pynenc({"app_id": "rehearsed", "logging_level": "critical"})
    for body in (bodies.pay, bodies.refund):
        app.task(body)
    bodies.EFFECTS.clear()
    return app


# --- time --------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [bodies.reminds, bodies.reminds_in_a_coroutine])
def test_a_month_passes_at_once(app: Pynenc, body: Any) -> None:
    begun = time.time()
    with rehearsing(app) as rehearsal:
        call = app.workflow(body)("o1")
        assert rehearsal.run() == 2
        began = rehearsal.now
        rehearsal.advance(timedelta(days=29))
        assert bodies.EFFECTS == {"pay": 1}
        rehearsal.advance(timedelta(days=2))
        assert bodies.EFFECTS == {"pay": 1, "remind": 1}
        assert rehearsal.finish(call) == "paid o1, reminded"
        assert rehearsal.now - began > timedelta(days=31)
    assert app.components.now() < begun + 3600


def test_finish_goes_on_to_the_end(app: Pynenc) -> None:
    with rehearsing(app) as rehearsal:
        assert rehearsal.finish(app.workflow(bodies.reminds)("o1")) == "paid o1, reminded"
        assert rehearsal.finish(app.task(plain_tasks.add).options(delay=86400)(1)) == 11
        with pytest.raises(ValueError, match="no"):
            rehearsal.finish(app.task(plain_tasks.fail)("no"))


def test_what_waits_for_an_event_is_told(app: Pynenc) -> None:
    with rehearsing(app) as rehearsal:
        call = app.workflow(bodies.approved)("o1")
        with pytest.raises(AssertionError, match="waits for event 'approve'"):
            rehearsal.finish(call)
        app.send_event(call.invocation_id, "approve", {"by": "Ada"})
        assert rehearsal.finish(call) == "paid o1 by Ada"


def test_one_that_takes_longer_is_told(app: Pynenc) -> None:
    with rehearsing(app) as rehearsal:
        call = app.workflow(bodies.reminds)("o1")
        with pytest.raises(AssertionError, match="waits for until"):
            rehearsal.finish(call, within=timedelta(days=3))


def test_crons_and_events_start_tasks(app: Pynenc) -> None:
    app.task(bodies.tick, triggers=[on_cron("0 * * * *"), on_event("go")])
    with rehearsing(app) as rehearsal:
        rehearsal.run()
        assert bodies.EFFECTS["tick"] == 0
        rehearsal.advance(timedelta(hours=5))
        assert bodies.EFFECTS["tick"] == 5
        app.trigger.emit_event("go")
        rehearsal.run()
        assert bodies.EFFECTS["tick"] == 6


@pytest.mark.parametrize(
    "body", [bodies.waits_for_a_late_child, bodies.waits_for_a_late_child_in_a_coroutine]
)
def test_time_passes_while_a_body_waits_for_a_late_child(app: Pynenc, body: Any) -> None:
    app.task(plain_tasks.add)
    with rehearsing(app) as rehearsal:
        assert rehearsal.finish(app.workflow(body)()) == 11


def test_a_coroutine_waits_for_a_child_that_sleeps_for_long(app: Pynenc) -> None:
    app.workflow(bodies.sleeps)
    with rehearsing(app) as rehearsal:
        assert rehearsal.finish(app.workflow(bodies.awaits_one_that_sleeps)()) == "slept"


def test_statuses_are_those_of_now(app: Pynenc) -> None:
    with rehearsing(app) as rehearsal:
        call = app.task(plain_tasks.add)(1)
        assert call.status == "registered"
        rehearsal.run()
        assert call.status == "success"


@pytest.mark.parametrize("duration", [-1, float("nan"), float("inf"), timedelta(days=-1)])
def test_time_goes_on(app: Pynenc, duration: Any) -> None:
    with rehearsing(app) as rehearsal, pytest.raises(ValueError, match="not negative"):
        rehearsal.advance(duration)


def test_retries_wait_by_the_clock(app: Pynenc) -> None:
    fail = app.task(plain_tasks.fail_until, max_retries=3, retry_delay=3600)
    with rehearsing(app) as rehearsal:
        assert rehearsal.finish(fail(3)) == 3


def test_one_that_starts_itself_for_ever_is_told(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pynenc.testing.rehearsal._MOST_STEPS", 50)
    app.task(bodies.starts_itself)()
    with rehearsing(app) as rehearsal, pytest.raises(AssertionError, match="start itself for ever"):
        rehearsal.run()


def test_the_app_is_as_before_afterwards(app: Pynenc) -> None:
    storage: Any = app.orchestrator
    before, park_after_s = storage.storage, app.conf.workflow_park_after_seconds
    with rehearsing(app) as rehearsal:
        rehearsal.advance(1e6)
        assert storage.storage is not before
    assert storage.storage is before
    assert app.conf.workflow_park_after_seconds == park_after_s
    assert abs(app.components.now() - time.time()) < 3600


# --- crashes -----------------------------------------------------------------------------


def test_a_sound_workflow_differs_in_nothing(app: Pynenc) -> None:
    report = explore_crashes(
        app.workflow(bodies.approved), "o1", effects=bodies.EFFECTS, events=[("approve", {"by": "Ada"})]
    )
    assert report.points > 40
    assert report.broken == []
    assert {each.problem for each in report.repeated} == {"effect 'pay' happened 2 times, not 1"}
    report.check(repeatable=["pay"])
    with pytest.raises(AssertionError, match="effect 'pay' happened 2 times"):
        report.check()
    assert app.count() == 0


def test_two_events_of_one_code(app: Pynenc) -> None:
    events = [("approve", {"by": "Ada"}), ("approve", {"by": "Bob"})]
    report = explore_crashes(app.workflow(bodies.approved_twice), effects=bodies.EFFECTS, events=events)
    assert (report.repeated, report.broken) == ([], [])


def test_an_effect_outside_of_a_step_is_found(app: Pynenc) -> None:
    report = explore_crashes(app.workflow(bodies.careless), "o1", effects=bodies.EFFECTS)
    times = [int(each.problem.split()[3]) for each in report.repeated if "'mail'" in each.problem]
    assert len(times) > 10
    with pytest.raises(AssertionError, match="effect 'mail' happened"):
        report.check(repeatable=["pay"])


def test_a_body_that_depends_on_chance_is_found(app: Pynenc) -> None:
    report = explore_crashes(app.workflow(bodies.unsteady), effects=Counter())
    assert report.broken
    assert all("does not end" in each.problem or "gave" in each.problem for each in report.broken)


def test_results_are_compared_as_one_likes(app: Pynenc) -> None:
    root = app.workflow(bodies.random_result)
    assert explore_crashes(root).broken
    assert not explore_crashes(root, same=lambda one, other: type(one) is type(other)).broken


def test_events_across_continue_as_new(app: Pynenc) -> None:
    report = explore_crashes(app.workflow(bodies.continues_after_events), 1, events=[("e", {}), ("e", {})])
    assert (report.repeated, report.broken) == ([], [])


def test_it_begins_with_nothing(app: Pynenc) -> None:
    bodies.EFFECTS["pay"] = 7
    app.workflow(bodies.random_result).options(invocation_id="explored")()
    events = [("approve", {"by": "Ada"})]
    report = explore_crashes(app.workflow(bodies.approved), "o1", effects=bodies.EFFECTS, events=events)
    report.check(repeatable=["pay"])


def test_only_an_app_in_memory_is_explored(tmp_path: Any) -> None:
    settings = {"backend": "sqlite", "sqlite_db_path": str(tmp_path / "a.db"), "logging_level": "critical"}
    app = Pynenc({"app_id": "rehearsed-on-disk", **settings})
    app.task(bodies.pay)
    call = app.workflow(bodies.reminds)("o1")
    with pytest.raises(WorkflowUsageError, match="have to be in memory, because they are purged"):
        explore_crashes(app.workflow(bodies.reminds), "o1")
    assert app.count() == 1
    with rehearsing(app) as rehearsal:
        assert rehearsal.finish(call) == "paid o1, reminded"
    Pynenc.discard(app.app_id)


def test_one_that_never_ends_is_told(app: Pynenc) -> None:
    with pytest.raises(AssertionError, match="waits for event 'approve'"):
        explore_crashes(app.workflow(bodies.approved), "o1")
