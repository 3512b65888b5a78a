"""Waiting for whichever comes first, on real runners, through crashes, and by a clock of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import first_workflows as bodies
import plain_tasks
import pytest

from pynenc import Pynenc
from pynenc.exceptions import EventTimeoutError, InvocationCancelledError, WorkflowUsageError
from pynenc.testing import explore_crashes, rehearsing
from pynenc.testing.app_fixtures import running


@pytest.fixture
def app() -> Iterator[Pynenc]:
    settings = {"runner_cls": "ThreadRunner", "max_threads": 1, "logging_level": "critical"}
    app = Pynenc({"app_id": "first", **settings})
    app.task(plain_tasks.add)
    app.workflow(bodies.sleeps_and_returns)
    yield app
    Pynenc.discard(app.app_id)


def test_an_event_comes_first(app: Pynenc) -> None:
    with rehearsing(app) as rehearsal:
        call = app.workflow(bodies.event_or_timer)(30)
        rehearsal.run()
        assert "event 'paid' or until" in (app.get_invocation(call.invocation_id).waits_for or "")
        app.send_event(call.invocation_id, "paid", {"by": "Ada"})
        assert rehearsal.finish(call) == [0, {"by": "Ada"}]


def test_a_time_comes_first(app: Pynenc) -> None:
    with rehearsing(app) as rehearsal:
        call = app.workflow(bodies.event_or_timer)(30)
        rehearsal.advance(timedelta(days=29))
        assert not rehearsal.state_of(call).status.final
        assert rehearsal.finish(call) == [1, None]


def test_an_event_that_lost_is_kept_for_the_next_wait(app: Pynenc) -> None:
    with rehearsing(app) as rehearsal:
        call = app.workflow(bodies.two_rounds)()
        rehearsal.run()
        app.send_event(call.invocation_id, "b", {"n": 1})
        app.send_event(call.invocation_id, "a", {"n": 2})
        rehearsal.run()
        assert rehearsal.finish(call) == [[0, {"n": 2}], [0, {"n": 1}]]


def test_a_limit_of_time(app: Pynenc) -> None:
    with rehearsing(app) as rehearsal, pytest.raises(EventTimeoutError, match="came in time"):
        rehearsal.finish(app.workflow(bodies.times_out)())


@pytest.mark.parametrize("pause", [0, 86400])
def test_a_child_workflow_comes_first(app: Pynenc, pause: int) -> None:
    with rehearsing(app) as rehearsal:
        call = app.workflow(bodies.child_or_event)(pause)
        assert rehearsal.finish(call) == [1, f"slept {pause}"]


def test_a_child_that_fails_is_given_as_a_handle(app: Pynenc) -> None:
    app.task(plain_tasks.fail)
    with rehearsing(app) as rehearsal:
        assert rehearsal.finish(app.workflow(bodies.failing_child)()) == [0, "ValueError: no"]


def test_the_slot_is_given_up_for_a_child_that_runs(app: Pynenc) -> None:
    with running(app):  # one thread
        assert app.workflow(bodies.plain_child)().wait(60) == [0, 11]


def test_on_a_runner(app: Pynenc) -> None:
    app.conf.workflow_park_after_seconds = 0.0
    with running(app):
        call = app.workflow(bodies.event_or_timer)(30)
        while not call.waits_for:
            pass
        app.send_event(call.invocation_id, "paid", {"by": "Ada"})
        assert call.wait(60) == [0, {"by": "Ada"}]
        other = app.workflow(bodies.event_or_timer)(30)
        while not other.waits_for:
            pass
        other.cancel()
        with pytest.raises(InvocationCancelledError):
            other.wait(60)


def test_a_short_wait_is_sat_out(app: Pynenc) -> None:
    with running(app):
        assert app.workflow(bodies.short)().wait(60) == [1, None]


@pytest.mark.parametrize(
    ("body", "events"),
    [
        (bodies.event_or_timer, [("paid", {"by": "Ada"})]),
        (bodies.event_or_timer, []),
        (bodies.child_or_event, []),
    ],
)
def test_every_crash(app: Pynenc, body: Any, events: Any) -> None:
    report = explore_crashes(app.workflow(body), 1, events=events)
    assert report.points > 30
    report.check()


@pytest.mark.parametrize("what", ["nothing", "a number", "a wrong code", "a negative time"])
def test_mistakes(app: Pynenc, what: str) -> None:
    call = app.workflow(bodies.mistaken)(what)
    with rehearsing(app) as rehearsal, pytest.raises((WorkflowUsageError, ValueError)):
        rehearsal.finish(call)
    assert app.state_backend.find_steps(call.invocation_id, 5)[1:] == []


def test_inline(app: Pynenc) -> None:
    app.conf.dev_mode_force_sync_tasks = True
    assert app.workflow(bodies.plain_child)().result == [0, 11]
