"""A runner that starts while its store is away waits for it if it may, says so, and can be stopped."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from pynenc import Pynenc
from pynenc.exceptions import StorageUnavailableError
from pynenc.runner import base_runner
from pynenc.testing import in_memory

app = Pynenc({"app_id": "waiting_for_stores", "runner_cls": "ThreadRunner"})


@app.task
def work() -> int:
    return 1


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(base_runner, "_FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(base_runner, "_LAST_PAUSE_S", 0.002)
    with in_memory(app):
        yield


def _away(monkeypatch: pytest.MonkeyPatch, times: float) -> threading.Event:
    """Have the broker not answer so many times; return what is set at the third try."""
    tried, third, ping = 0, threading.Event(), app.broker.ping

    def pinged() -> Any:
        nonlocal tried
        tried += 1
        if tried >= 3:
            third.set()
        if tried <= times:
            raise StorageUnavailableError("the store at somewhere is away")
        return ping()

    monkeypatch.setattr(app.broker, "ping", pinged)
    return third


def test_it_works_once_the_store_answers(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(app.runner.conf, "store_wait_seconds", 1e9)
    _away(monkeypatch, 200)
    call = work()
    thread = threading.Thread(target=app.runner.run)
    thread.start()
    assert call.wait(60) == 1
    app.runner.stop_runner_loop()
    thread.join(60)
    warnings = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert warnings[0].startswith("the runner waits for its store:")
    assert warnings[1].startswith("the store answers after ")


def test_it_can_be_stopped_while_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.runner.conf, "store_wait_seconds", 1e9)
    third = _away(monkeypatch, float("inf"))
    thread = threading.Thread(target=app.runner.run)
    thread.start()
    assert third.wait(60)
    assert app.runner.health.why_not_ready() == "starting"
    assert app.runner.health.why_dead() is None
    app.runner.stop_runner_loop()
    thread.join(60)
    assert not thread.is_alive()


@pytest.mark.parametrize("seconds", [0.0, 0.01])
def test_it_gives_up_when_its_time_is_over(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    _away(monkeypatch, float("inf"))
    monkeypatch.setattr(app.runner.conf, "store_wait_seconds", seconds)
    with pytest.raises(StorageUnavailableError, match="at somewhere is away"):
        app.runner.run()
