"""Waits and configurations that lead nowhere are told, once."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import plain_tasks
import pytest

from pynenc import Pynenc
from pynenc.client import waiting
from pynenc.testing.app_fixtures import running


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pynenc]:
    monkeypatch.setattr(waiting, "REMIND_AFTER_S", 0.01)
    app = Pynenc({"app_id": "vain", "runner_cls": "ThreadRunner", "queues": ["default", "more"]})
    yield app
    Pynenc.discard("vain")


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_a_queue_that_no_runner_consumes_is_told_once(app: Pynenc, caplog: pytest.LogCaptureFixture) -> None:
    stray = app.task(queue="nobody")(plain_tasks.nothing)
    with running(app):
        app.task(plain_tasks.add)(1, 2).wait()
        with pytest.raises(TimeoutError):
            stray().wait(0.2)
    assert [each for each in warnings(caplog) if "nobody" in each] == [
        "waiting for invocations in queue 'nobody', which no live runner of app 'vain' consumes: its "
        "components are in the memory of this process, which no other process can see: leave "
        "'embedded_runner' on, run app.runner in a thread, or set 'backend'"
    ]


def test_a_coroutine_is_told_too(app: Pynenc, caplog: pytest.LogCaptureFixture) -> None:
    stray = app.task(queue="nobody")(plain_tasks.nothing)
    with running(app):
        app.task(plain_tasks.add)(1, 2).wait()
        with pytest.raises(TimeoutError):
            asyncio.run(stray().async_result(0.2))
    assert len([each for each in warnings(caplog) if "nobody" in each]) == 1


def test_what_a_runner_consumes_and_is_slow_about_is_not_told(
    app: Pynenc, caplog: pytest.LogCaptureFixture
) -> None:
    with running(app):
        call = app.task(plain_tasks.nothing).options(delay=60, queue="more")()
        with pytest.raises(TimeoutError):
            call.wait(0.1)
    assert warnings(caplog) == []


def test_runners_publish_their_queues(app: Pynenc) -> None:
    with running(app):
        app.task(plain_tasks.add)(1, 2).wait()
        (runner,) = app.state_backend.read_runners([app.runner.runner_id])
        assert runner is not None
        assert json.loads(runner.queues) == ["default", "more"]
        since = app.orchestrator.now() - 60
        assert app.components.runners.unserved(["more", "b", "a", "default"], since) == ["a", "b"]


SHARED = {
    "broker_cls": "SQLiteBroker",
    "orchestrator_cls": "SQLiteOrchestrator",
    "state_backend_cls": "SQLiteStateBackend",
}


@pytest.mark.parametrize(
    ("settings", "is_told"),
    [
        (SHARED, True),
        ({**SHARED, "allow_partly_in_memory": True}, False),
        ({"backend": "sqlite"}, False),
        ({}, False),
    ],
)
def test_components_partly_in_memory_are_told(
    settings: dict[str, object], is_told: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = Pynenc({"app_id": "partly", "sqlite_db_path": str(tmp_path / "pynenc.db"), **settings})
    try:
        app.task(plain_tasks.add)(1, 2)
        app.task(plain_tasks.add)(1, 2)
        told = [each for each in warnings(caplog) if "are in the memory of this process" in each]
        assert len(told) == int(is_told)
        assert all(
            "trigger_cls=MemTrigger, client_data_store_cls=MemClientDataStore" in each for each in told
        )
    finally:
        Pynenc.discard("partly")
