"""Runners that are asked to claim nothing more, and to go on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import plain_tasks
import pytest

from pynenc import Pynenc
from pynenc.exceptions import RunnerError, StorageUnavailableError
from pynenc.lifecycle.draining import drain, is_draining, undrain
from pynenc.metrics.readings import Readings
from pynenc.runner.heartbeat import Heartbeat
from pynenc.state_backend.base_state_backend import RunnerData
from pynenc.testing.app_fixtures import running

HELD, GO_ON = threading.Event(), threading.Event()


def holds() -> int:
    HELD.set()
    GO_ON.wait()
    return 1


def until(condition: Callable[[], Any]) -> Any:
    """Wait for something to be true; the time limit of the test ends a wait in vain."""
    while not (found := condition()):
        time.sleep(0.005)
    return found


@pytest.fixture(params=["ThreadRunner", "AsyncRunner"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pynenc]:
    HELD.clear()
    GO_ON.clear()
    app = Pynenc(
        {
            "app_id": f"drains-{request.param}",
            "backend": "sqlite",
            "sqlite_db_path": str(tmp_path / "pynenc.db"),
            "runner_cls": request.param,
            "max_threads": 2,
            "logging_level": "critical",
        }
    )
    yield app
    GO_ON.set()
    Pynenc.discard(app.app_id)


def test_what_runs_is_finished_and_nothing_is_claimed(app: Pynenc) -> None:
    add = app.task(plain_tasks.add)
    with running(app):
        assert add(1).wait(60) == 11
        drain(app.components, app.runner.runner_id)
        until(lambda: app.runner.health.why_not_ready() == "draining")
        waiting = add(2)
        with pytest.raises(TimeoutError):
            waiting.wait(0.3)
        (finding, *_) = app.explain(waiting.invocation_id).findings
        assert (finding.code, "asked to claim nothing more" in finding.sentence) == ("no_consumer", True)
        assert "pynenc runner undrain" in (finding.advice or "")
        assert Readings(app.components).consumers == {}
        undrain(app.components, app.runner.runner_id[-6:])
        assert waiting.wait(60) == 12
        until(lambda: app.runner.health.why_not_ready() is None)
        assert Readings(app.components).consumers == {"default": 1}


@pytest.mark.parametrize("app", ["ThreadRunner"], indirect=True)
def test_a_body_that_runs_goes_on_to_its_end(app: Pynenc) -> None:
    call = app.task(holds)()
    with running(app):
        HELD.wait()
        drain(app.components, app.runner.runner_id)
        until(lambda: app.runner.health.why_not_ready() == "draining")
        GO_ON.set()
        assert call.wait(60) == 1


@pytest.mark.parametrize("app", ["ThreadRunner"], indirect=True)
def test_draining_is_no_reason_to_count_as_dead(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(app):
        until(lambda: app.runner.health.why_not_ready() is None)
        drain(app.components, app.runner.runner_id)
        engine = app.runner._engine  # type: ignore[attr-defined]
        until(lambda: engine._draining)
        monkeypatch.setattr("pynenc.runner.engine._SILENT_AFTER_S", -1.0)
        assert engine._is_sound()


@pytest.mark.parametrize("app", ["ThreadRunner"], indirect=True)
def test_workers_follow_the_runner_that_started_them(app: Pynenc) -> None:
    store, now = app.state_backend, app.components.now()
    store.save_runners(
        [RunnerData("top", "X", 1, "h", None, now), RunnerData("worker", "X", 2, "h", "top", now)]
    )
    app.orchestrator.heartbeat(["top", "worker"], now)
    assert not is_draining(app.components, ["worker"])
    drain(app.components, "top")
    assert is_draining(app.components, ["worker"])
    assert is_draining(app.components, ["top"])
    assert not is_draining(app.components, ["unknown"])
    store.save_runners([RunnerData("top", "X", 1, "h", None, now, now + 1)])
    assert is_draining(app.components, ["top"])  # who registers again is still asked


@pytest.mark.parametrize("app", ["ThreadRunner"], indirect=True)
def test_who_cannot_be_asked_is_told(app: Pynenc) -> None:
    store, now = app.state_backend, app.components.now()
    store.save_runners([RunnerData(each, "X", 1, "h", None, now) for each in ("a1", "b1", "silent")])
    app.orchestrator.heartbeat(["a1", "b1"], now)
    for given, told in (
        ("1", "several live runners have ids that end so; alive: a1, b1"),
        ("silent", "no live runner has this id"),
        ("", "no live runner has this id"),
        ("\ud800", "no live runner has this id"),
    ):
        with pytest.raises(RunnerError, match=told):
            drain(app.components, given)
    assert drain(app.components, "a1")


@pytest.mark.parametrize("app", ["ThreadRunner"], indirect=True)
def test_a_lost_wake_up_and_a_store_that_is_away_only_delay_it(
    app: Pynenc, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.conf.heartbeat_interval_seconds = 0.001
    now = app.components.now()
    app.state_backend.save_runners([RunnerData("r", "X", 1, "h", None, now)])
    heartbeat = Heartbeat(app.components, ["r"], lambda _: None)
    told: list[bool] = []
    heartbeat.follow = told.append
    read, failures = app.state_backend.read_runners, iter([StorageUnavailableError("away")] * 3)

    def sometimes(ids: Any) -> Any:
        error = next(failures, None)
        if error is not None:
            raise error
        return read(ids)

    monkeypatch.setattr(app.state_backend, "read_runners", sometimes)
    heartbeat.start()
    try:
        app.state_backend.set_wish("r", "drain")  # nobody is woken
        until(lambda: told and told[-1])
    finally:
        heartbeat.stop()
    assert heartbeat.health.why_not_ready() is not None
