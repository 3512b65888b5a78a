"""A runner whose bodies run in processes of their own, whatever these do."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from parked import until
from shop_control import wait_for

from pynenc.exceptions import RecoveryLimitError, SerializationError
from pynenc.invocation.status import InvocationStatus
from pynenc.runner import work
from pynenc.testing.app_fixtures import running

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the bodies fork")


@pytest.fixture
def shop(load_app: Callable[..., ModuleType], monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    settings = {"runner_cls": "command_app.CommandRunner", "recovery_interval_seconds": "0.2"}
    settings |= {
        "app_id": "command-app",
        "max_recoveries": "2",
        "store_logs": "error",
        "logging_level": "error",
    }
    module = load_app("command_app", **settings)
    path = os.pathsep.join([str(Path(str(module.__file__)).parent), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)
    with running(module.app):
        yield module


def test_a_process_that_dies_costs_an_attempt_and_no_more(shop: ModuleType, tmp_path: Path) -> None:
    call = shop.die_first(str(tmp_path))
    assert call.wait(60) == "alive"
    told = [entry.status for entry in call.history]
    assert told.count(InvocationStatus.RUNNING) == 2
    assert InvocationStatus.RUNNING_RECOVERY in told


def test_one_that_always_dies_is_given_up(shop: ModuleType) -> None:
    with pytest.raises(RecoveryLimitError, match="took down its runner 3 times"):
        shop.die().wait(60)
    assert shop.add(1, 2).wait(60) == 3


def test_a_body_may_do_anything_to_its_streams(shop: ModuleType) -> None:
    assert shop.mess_up_streams().wait(60) == "done"


def test_bodies_may_fork(shop: ModuleType) -> None:
    assert shop.fork().wait(60) == "parent"
    assert shop.fork_and_go_on().wait(60) == "both"


@pytest.mark.parametrize("size", [0, 70_000, 3_000_000])
def test_results_of_all_sizes_come(shop: ModuleType, size: int) -> None:
    assert shop.large(size).wait(60) == "x" * size


def test_a_result_that_cannot_be_stored_is_a_failure(shop: ModuleType) -> None:
    with pytest.raises(SerializationError):
        shop.odd().wait(60)


def test_what_a_body_logs_is_kept(shop: ModuleType) -> None:
    call = shop.log("something")
    assert call.wait(60) == "something"
    lines = shop.app.logs(call.invocation_id)
    assert any("it says something" in line.text for line in lines)


WRONG: dict[str, Any] = {
    "cat": ("cat",),
    "exits": ("false",),
    "prints": (sys.executable, "-c", "print('hello' * 1000)"),
    "hangs up": (sys.executable, "-c", "import os, time; os.close(0); os.close(1); time.sleep(0.1)"),
    "missing": ("/not/there",),
    "nothing": None,
}


@pytest.mark.parametrize("way", WRONG)
def test_what_cannot_begin_waits_until_it_can(
    shop: ModuleType, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A broken command costs nothing but time: the calls do not fail, and run when it is mended."""
    right, shop.WAYS["command"] = shop.WAYS["command"], WRONG[way]
    calls = [shop.add(number, 1) for number in range(20)]
    until(lambda: sum("could not begin" in each.message for each in caplog.records) >= 3)
    assert not any(call.status.final for call in calls)
    assert all(each.levelname == "ERROR" for each in caplog.records)
    assert len(caplog.records) < 30
    shop.WAYS["command"] = right
    assert [call.wait(60) for call in calls] == list(range(1, 21))


def test_a_process_with_another_store_is_told(
    shop: ModuleType, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    right = shop.WAYS["command"]
    elsewhere = f"PYNENC__SQLITE_DB_PATH={tmp_path / 'other.db'}"
    shop.WAYS["command"] = ("env", elsewhere, *right)
    call = shop.add(1, 2)
    until(lambda: any("could not begin" in each.message for each in caplog.records))
    assert "lead to the same store as those of the runner?" in caplog.text
    assert "other.db" in caplog.text
    shop.WAYS["command"] = right
    assert call.wait(60) == 3


def test_a_body_may_leave_a_thread_that_waits(shop: ModuleType) -> None:
    call = shop.leave_a_waiter(2.0)
    assert call.wait(60) == "left"
    assert [entry.status for entry in call.history].count(InvocationStatus.RUNNING_RECOVERY) == 0


def test_what_lingers_on_after_the_end_keeps_no_slot(
    shop: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "_LINGER_S", 0.2)
    shop.WAYS["command"] = ("bash", "-c", '"$@"; sleep 1000', "bash", *shop.WAYS["command"])
    assert [shop.add(number, 1).wait(60) for number in range(4)] == [1, 2, 3, 4]


def test_what_hangs_before_it_begins_is_ended(
    shop: ModuleType, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(work, "LONGEST_START_S", 0.5)
    right, shop.WAYS["command"] = shop.WAYS["command"], ("sleep", "1000")
    call = shop.add(1, 2)
    until(lambda: any("has not begun within 0.5 s" in each.getMessage() for each in caplog.records))
    monkeypatch.setattr(work, "LONGEST_START_S", 60.0)
    shop.WAYS["command"] = right
    assert call.wait(60) == 3


def test_a_deaf_body_is_ended_when_the_runner_stops(shop: ModuleType, tmp_path: Path) -> None:
    call = shop.begin(str(tmp_path))
    (mark,) = wait_for(tmp_path, "pid-*")
    shop.app.runner.stop_runner_loop()
    shop.app.runner.hurry()
    pid = int(mark.name.partition("-")[2])
    while Path(f"/proc/{pid}").exists():
        time.sleep(0.01)
    while call.status not in (InvocationStatus.REROUTED, InvocationStatus.KILLED):
        time.sleep(0.01)


def test_a_deaf_body_that_is_cancelled_is_ended(shop: ModuleType, tmp_path: Path) -> None:
    call = shop.begin.options(timeout=600)(str(tmp_path))
    (mark,) = wait_for(tmp_path, "pid-*")
    call.cancel()
    pid = int(mark.name.partition("-")[2])
    while Path(f"/proc/{pid}").exists() or not call.status.final:
        time.sleep(0.01)
    assert call.status == InvocationStatus.CANCELLED
