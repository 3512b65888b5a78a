"""What a workflow keeps from one attempt, and from one run, to the next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attempt_bodies
import pytest
from parked import until, until_parked

from pynenc import Pynenc
from pynenc.testing.app_fixtures import running


@pytest.fixture(params=["ThreadRunner", "AsyncRunner", "inline"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pynenc]:
    attempt_bodies.DONE.clear()
    inline = request.param == "inline"
    app = Pynenc(
        {
            "app_id": f"attempts-{request.param}",
            "backend": "sqlite",
            "sqlite_db_path": str(tmp_path / "pynenc.db"),
            "logging_level": "critical",
            "workflow_park_after_seconds": 0.0,
            "dev_mode_force_sync_tasks": inline,
            "runner_cls": "ThreadRunner" if inline else request.param,
        }
    )
    yield app
    Pynenc.discard(app.app_id)


def result_of(app: Pynenc, body: Any, *args: Any) -> Any:
    root = app.workflow(max_retries=3, retry_for=(ConnectionError,), retry_delay=0.0)(body)
    if app.conf.dev_mode_force_sync_tasks:
        return root(*args).result
    with running(app):
        return root(*args).result


def test_data_of_a_failed_attempt_is_there_in_the_next(app: Pynenc) -> None:
    assert result_of(app, attempt_bodies.counts) == 3


def test_an_attempt_may_go_another_way_and_keeps_the_steps_it_meets(app: Pynenc) -> None:
    assert result_of(app, attempt_bodies.another_way) == ["first 1", "passed", "last 1", True]
    assert dict(attempt_bodies.DONE) == {"first": 1, "only at first": 1, "last": 1}


def test_steps_of_one_name_are_kept_in_their_order(app: Pynenc) -> None:
    assert result_of(app, attempt_bodies.same_name_twice) == ["s 1", "s 2", "s 3", "s 4"]


def test_an_attempt_that_parks_replays_its_own_record(app: Pynenc) -> None:
    assert result_of(app, attempt_bodies.parks_between_attempts) == ["first 1", 1]


@pytest.mark.parametrize("body", [attempt_bodies.pays, attempt_bodies.pays_async])
def test_a_step_whose_result_cannot_be_kept_fails_once_and_names_itself(app: Pynenc, body: Any) -> None:
    if app.conf.dev_mode_force_sync_tasks:
        return  # nothing has to be kept
    text = result_of(app, body)
    assert text.startswith("SerializationError: step 'pay' → result")
    assert "generator" in text
    assert attempt_bodies.DONE["pay"] == 1


def test_an_event_is_told_once_however_often_the_body_continues(app: Pynenc) -> None:
    if app.conf.dev_mode_force_sync_tasks:
        return  # no event can reach it
    root = app.workflow(attempt_bodies.account)
    call = root(0, [])
    for number in (1, 2, 3):
        app.send_event(call.invocation_id, "paid", {"number": number}, event_id=f"e{number}")
    with running(app):
        assert call.result == [1, 2, 3, "EventTimeoutError"]


@pytest.mark.parametrize("way", ["wait_for", "timeout", "wait"])
def test_a_wait_that_the_body_gives_up_stays_given_up(app: Pynenc, way: str) -> None:
    if app.conf.dev_mode_force_sync_tasks:
        return  # no event can reach it
    call = app.workflow(attempt_bodies.gives_up)(way)
    with running(app):
        until_parked(app, call, "go on")
        app.send_event(call.invocation_id, "paid", {"n": 2})  # after the time was over
        app.send_event(call.invocation_id, "go on", {"n": 1})
        assert call.result == ["timeout", 1, 2]
    assert attempt_bodies.DONE["runs"] > 1


@pytest.mark.parametrize("way", ["wait_for", "timeout", "two", "wait"])
def test_a_sleep_that_was_given_up_stays_so(app: Pynenc, way: str) -> None:
    inline = app.conf.dev_mode_force_sync_tasks
    assert result_of(app, attempt_bodies.gives_up_sleeping, way) == ["timeout", "after", "last"]
    assert attempt_bodies.DONE["runs"] == (1 if inline else 3)


def test_what_ends_with_a_failed_attempt_was_not_given_up(app: Pynenc) -> None:
    if app.conf.dev_mode_force_sync_tasks:
        return  # no event can reach it
    root = app.workflow(max_retries=3, retry_for=(ConnectionError,), retry_delay=0.0)(
        attempt_bodies.leaves_waits_behind
    )
    call = root()
    with running(app):
        until(lambda: attempt_bodies.DONE["runs"] == 2)
        app.send_event(call.invocation_id, "paid", {"n": 7})
        assert call.wait(20) == [7, None]


@pytest.mark.parametrize("way", ["sleep", "wait_for", "chained"])
def test_the_attempt_after_a_timeout_of_asyncio_waits_anew(app: Pynenc, way: str) -> None:
    inline = app.conf.dev_mode_force_sync_tasks
    if inline and way != "sleep":
        return  # no event can reach it
    root = app.workflow(max_retries=3, retry_for=(ConnectionError, TimeoutError), retry_delay=0.0)(
        attempt_bodies.is_cut_short
    )
    if inline:
        assert root(way).result == "first 1"
        return
    call = root(way)
    with running(app):
        if way != "sleep":
            until(lambda: call.num_retries == 1)
            app.send_event(call.invocation_id, "paid", {"n": 1})
        assert call.wait(20) == "first 1"
    assert attempt_bodies.DONE["first"] == 1
