"""What a runner does when the storage refuses or does not answer."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import plain_tasks
import pytest
import workflow_bodies

from pynenc import Pynenc
from pynenc.calls.interfaces import current_invocation
from pynenc.exceptions import InvocationError, StorageUnavailableError, ValueTooLargeError
from pynenc.invocation.status import InvocationStatus
from pynenc.runner import base_engine, engine
from pynenc.testing.app_fixtures import running

RUNNERS = ["ThreadRunner", "AsyncRunner"]


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_result_that_is_too_large_for_the_storage_fails_clearly(runner: str, tmp_path: Path) -> None:
    app = Pynenc(
        {
            "app_id": "large",
            "backend": "sqlite",
            "runner_cls": runner,
            "sqlite": {"sqlite_db_path": str(tmp_path / "large.db")},
            "client_data_store": {"disable_client_data_store": True},
        }
    )
    repeat = app.task(plain_tasks.repeat)
    app.state_backend.ping()
    storage: Any = app.state_backend
    storage.storage._file._writer.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 100_000)
    with running(app):
        group = repeat.parallelize([("x", 1), ("x", 200_000), ("x", 2)])
        small, large, other = group
        assert (small.result, other.result) == ("x", "xx")
        with pytest.raises(ValueTooLargeError, match="Return or pass less"):
            _ = large.result
        with pytest.raises(ValueTooLargeError):
            repeat("y" * 200_000, 1)
        assert repeat("z", 3).result == "zzz"
    assert app.orchestrator.count_states(InvocationStatus.FAILED) == 1


def failing_once(function: Callable[..., Any]) -> Callable[..., Any]:
    failed: list[bool] = []

    def act(*args: Any) -> Any:
        if not failed:
            failed.append(True)
            raise StorageUnavailableError("the storage is away")
        return function(*args)

    return act


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("function", [plain_tasks.repeat, plain_tasks.repeat_async])
def test_large_values_survive_a_storage_that_is_away_for_a_moment(
    runner: str, function: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = Pynenc({"app_id": "patient", "runner_cls": runner, "client_data_store": {"local_cache_size": 0}})
    repeat = app.task(function)
    invocation = repeat("x" * 3000, 2)
    storage: Any = app.client_data_store
    monkeypatch.setattr(storage.storage, "blob_get", failing_once(storage.storage.blob_get))
    monkeypatch.setattr(storage.storage, "blob_put", failing_once(storage.storage.blob_put))
    with running(app):
        assert invocation.result == "x" * 6000
    statuses = [entry.status for entry in invocation.history]
    assert statuses.count(InvocationStatus.RUNNING) == 1


def test_without_blocking_control_a_slot_is_kept_while_waiting() -> None:
    app = Pynenc(
        {
            "app_id": "keeping",
            "runner_cls": "ThreadRunner",
            "runner": {"min_threads": 2, "max_threads": 2},
            "orchestrator": {"blocking_control": False},
        }
    )
    app.task(plain_tasks.add)
    outer = app.task(plain_tasks.wait_for_add)
    with running(app):
        invocation = outer(4)
        assert invocation.result == 8
    statuses = [entry.status for entry in invocation.history]
    assert InvocationStatus.PAUSED not in statuses


def test_an_invocation_whose_call_is_gone_fails_clearly() -> None:
    app = Pynenc({"app_id": "bare", "runner_cls": "ThreadRunner"})
    repeat = app.task(plain_tasks.repeat)
    invocation = repeat("x", 1)
    app.state_backend.purge()
    with running(app), pytest.raises(InvocationError, match="its call is not in the state backend"):
        _ = invocation.result


def test_a_runner_whose_look_never_comes_back_counts_as_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_SILENT_AFTER_S", 0.2)
    monkeypatch.setattr(base_engine, "LONGEST_TAKE_S", 0.05)
    app = Pynenc(
        {
            "app_id": "silent",
            "runner_cls": "ThreadRunner",
            "heartbeat_interval_seconds": 0.02,
            "logging_level": "critical",
        }
    )
    stuck, take = threading.Event(), app.broker.take

    def hang(*arguments: Any) -> Any:
        stuck.wait()
        return take(*arguments)

    monkeypatch.setattr(app.broker, "take", hang)

    def alive() -> list[str]:
        return app.orchestrator.live_runners(app.orchestrator.now() - 0.1)

    with running(app):
        while not alive():
            pass
        while alive():
            pass
        stuck.set()
        while not alive():
            pass


@pytest.mark.parametrize(
    ("component", "method"),
    [
        ("state_backend", "find_steps"),
        ("state_backend", "stage_save_steps"),
        ("state_backend", "stage_save_invocations"),
        ("state_backend", "read_values"),
        ("state_backend", "find_events"),
        ("trigger", "save_waits"),
        ("trigger", "delete_waits"),
    ],
)
def test_a_storage_that_is_away_does_not_fail_a_workflow(
    component: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = Pynenc({"app_id": "away", "runner_cls": "ThreadRunner", "logging_level": "critical"})
    app.conf.workflow_park_after_seconds = 0.0
    for body in (workflow_bodies.reads_data, workflow_bodies.double):
        app.task(body)
    with running(app):
        shares = app.workflow(workflow_bodies.shares_data)()
        waits = app.workflow(workflow_bodies.sleeps_for_long)()
        while waits.waits_for is None:
            time.sleep(0.005)
        assert shares.result[1] == "default"
        target = getattr(app, component)
        monkeypatch.setattr(target, method, failing_once_in_bodies(getattr(target, method)))
        shares = app.workflow(workflow_bodies.shares_data)()
        app.send_event(waits.invocation_id, "wake up")
        assert waits.result == "awake"
        assert shares.result == [[{"a": 1}, "WorkflowUsageError"], "default"]


def failing_once_in_bodies(function: Callable[..., Any]) -> Callable[..., Any]:
    """Fails once for each invocation, and only inside of bodies."""
    failed: set[str] = set()

    def act(*args: Any, **kwargs: Any) -> Any:
        invocation = current_invocation.get()
        if invocation is not None and invocation.invocation_id not in failed:
            failed.add(invocation.invocation_id)
            raise StorageUnavailableError("the storage is away")
        return function(*args, **kwargs)

    return act
