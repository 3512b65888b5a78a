"""The monitor notices that no runner is left, and tells it once, whoever looks besides."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from pynenc import Pynenc
from pynenc.alerts.watching import alerts, watch
from pynenc.exceptions import StorageUnavailableError
from pynenc.monitor import watching
from pynenc.monitor.watching import Watcher
from pynenc.state_backend.alert_records import AlertState
from pynenc.testing import in_memory

app = Pynenc({"app_id": "watched_by_monitor", "alert_rules": {"no_runner": {"for": 0}}})


@app.task
def work() -> None:
    """Do nothing."""


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with in_memory(app):
        yield


def test_it_tells_once_that_nobody_works(caplog: pytest.LogCaptureFixture) -> None:
    work()
    watchers = [Watcher(app.components) for _ in range(2)]
    for _ in range(3):
        for watcher in watchers:
            watcher.look()
    watch(app.components, lambda alert: None)
    fired = [each.alert_id for each in alerts(app.components, (AlertState.FIRING,))]
    assert "no_runner:app" in fired
    assert caplog.text.count("no runner is alive") == 1


def test_a_store_that_is_away_is_told_once_and_waited_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    work()
    watcher = Watcher(app.components)

    def away(*_: Any, **__: Any) -> Any:
        raise StorageUnavailableError("away")

    with monkeypatch.context() as patched:
        patched.setattr(app.orchestrator, "live_runners", away)
        patched.setattr(app.state_backend, "find_all", away)
        for _ in range(3):
            watcher.look()
    assert caplog.text.count("cannot look for alerts") == 1
    watcher.look()
    assert alerts(app.components, (AlertState.FIRING,))


def test_it_goes_on_beside_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_EVERY_S", 0.001)
    looked = threading.Semaphore(0)
    monkeypatch.setattr(Watcher, "look", lambda _: looked.release())
    watcher = Watcher(app.components)
    watcher.start()
    for _ in range(3):
        assert looked.acquire(timeout=30)
    watcher.stop()
    assert not watcher._thread.is_alive()
