"""Worker processes: real ones, on SQLite."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from shop_control import APPS, shop_open, wait_for

from pynenc import Pynenc
from pynenc.exceptions import (
    InvocationCancelledError,
    InvocationTimeoutError,
    RecoveryLimitError,
    SerializationError,
    TaskNotFoundError,
)
from pynenc.identifiers.task_id import TaskId
from pynenc.invocation.data import InvocationData
from pynenc.invocation.status import InvocationStatus


def in_child(app: Pynenc, task: Any, queue: Any) -> None:
    """What a child process of the standard library does with a pickled app and task."""
    queue.put((app is task.app, task.app is Pynenc({"app_id": "shop"}), task(1, 2).invocation_id))


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_an_app_and_its_tasks_go_into_child_processes(shop: ModuleType, method: str) -> None:
    with shop_open(shop):
        assert shop.add(0, 0).result == 0
        context: Any = multiprocessing.get_context(method)
        queue = context.Queue()
        child = context.Process(target=in_child, args=(shop.app, shop.add, queue))
        child.start()
        same_app, same_instance, invocation_id = queue.get()
        child.join()
        assert (same_app, same_instance, child.exitcode) == (True, True, 0)
        assert shop.app.get_invocation(invocation_id).result == 3


def test_invocations_run_in_worker_processes(shop: ModuleType, tmp_path: Path) -> None:
    with shop_open(shop):
        first = shop.touch_and_wait(str(tmp_path))
        second = shop.touch_and_wait(str(tmp_path))
        workers = wait_for(tmp_path, "running-*", 2)
        (tmp_path / "go").touch()
        pids = {first.result, second.result}
        assert pids == {int(path.name.removeprefix("running-")) for path in workers}
        assert os.getpid() not in pids
        runner_id = first.history[-1].runner_id
        (runner,) = shop.app.state_backend.read_runners([runner_id])
        assert (runner.pid, runner.parent_id) == (first.result, shop.app.runner.runner_id)


def test_tasks_that_wait_for_tasks_need_no_more_workers(shop: ModuleType) -> None:
    with shop_open(shop):
        assert shop.fibonacci(9).result == 34


def test_what_a_killed_worker_ran_runs_again(shop: ModuleType, tmp_path: Path) -> None:
    with shop_open(shop):
        invocations = [shop.touch_and_wait(str(tmp_path)) for _ in range(2)]
        killed, _ = (int(path.name.removeprefix("running-")) for path in wait_for(tmp_path, "running-*", 2))
        os.kill(killed, signal.SIGKILL)
        wait_for(tmp_path, "running-*", 3)
        (tmp_path / "go").touch()
        assert killed not in {invocation.result for invocation in invocations}
        statuses = [[entry.status for entry in invocation.history] for invocation in invocations]
        assert sum(InvocationStatus.RUNNING_RECOVERY in each for each in statuses) == 1
        assert shop.app.orchestrator.count_states(InvocationStatus.SUCCESS) == 2


def test_a_task_that_kills_its_workers_is_given_up(shop: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.app.conf.max_recoveries = 1
    with shop_open(shop):
        invocation = shop.leave()
        with pytest.raises(RecoveryLimitError, match="took down its runner 2 times"):
            _ = invocation.result
        assert shop.add(1, 2).result == 3


def test_a_stop_hands_back_what_does_not_end_in_time(
    shop: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYNENC__SHUTDOWN_GRACE_SECONDS", "0")
    with shop_open(shop):
        invocation = shop.touch_and_wait(str(tmp_path))
        wait_for(tmp_path, "running-*")
    statuses = [entry.status for entry in invocation.history]
    # The other worker may have claimed it once more before it stopped as well.
    assert InvocationStatus.KILLED in statuses
    assert statuses[-1] == InvocationStatus.REROUTED
    (tmp_path / "go").touch()
    monkeypatch.delenv("PYNENC__SHUTDOWN_GRACE_SECONDS")
    shop.app._reset_cached_components()
    with shop_open(shop):
        assert invocation.result


def test_a_worker_without_the_task_fails_the_invocation_clearly(
    shop: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYNENC__UNKNOWN_TASK_GRACE", "0")
    shop.app._reset_cached_components()
    shop.app.components.state_backend.save_invocations([])
    unknown = TaskId("warehouse", "pack")
    invocation = shop.add(1, 2)
    data: InvocationData = shop.app.state_backend.read_invocations([invocation.invocation_id])[0]
    assert data.task_id == "shop.add"
    shop.app.state_backend.delete([(data.invocation_id, 0)])
    values = {name: getattr(data, name) for name in data.__struct_fields__}
    shop.app.state_backend.save_invocations([InvocationData(**{**values, "task_id": unknown.key})])
    with shop_open(shop), pytest.raises(TaskNotFoundError, match="'warehouse.pack' is not known.*shop"):
        _ = invocation.result


def test_a_result_that_cannot_be_serialized_fails_the_invocation(shop: ModuleType) -> None:
    with shop_open(shop), pytest.raises(SerializationError, match="result: .* is not carried"):
        _ = shop.give_lock().result


def test_workers_stop_when_their_parent_is_gone(shop: ModuleType, tmp_path: Path) -> None:
    script = "import shop; print(shop.app.runner.runner_id, flush=True); shop.app.runner.run()"
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=APPS, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    parent.stdout.readline()
    worker = shop.where().result
    parent.kill()
    parent.wait()
    parent.stdout.close()
    invocation = shop.where()
    while Path(f"/proc/{worker}").exists() and Path(f"/proc/{worker}/stat").read_text().split()[2] != "Z":
        pass
    # A worker that was about to stop may still have run it; nothing is lost either way.
    if invocation.status != InvocationStatus.SUCCESS:
        with shop_open(shop):
            assert invocation.result


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("BROKER_CLS", "NatsBroker", "no such broker is installed"),
        ("SQLITE_DB_PATH", "/nowhere/x.db", "the folder '/nowhere' does not exist"),
    ],
)
def test_a_runner_that_cannot_work_does_not_start(
    shop: ModuleType, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(f"PYNENC__{variable}", value)
    command = [sys.executable, "-m", "pynenc.cli.main", "--app", "shop.app", "runner", "start"]
    done = subprocess.run(command, cwd=APPS, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_body_that_does_not_listen_is_ended_with_its_process(shop: ModuleType, tmp_path: Path) -> None:
    with shop_open(shop):
        invocation = shop.listen_to_nobody(str(tmp_path))
        with pytest.raises(InvocationTimeoutError, match="timeout of 0.1 s"):
            _ = invocation.result
        cancelled = shop.listen_to_nobody.options(timeout=3600)(str(tmp_path))
        wait_for(tmp_path, "running-*", 2)
        cancelled.cancel()
        with pytest.raises(InvocationCancelledError):
            _ = cancelled.result
        assert shop.add(1, 2).result == 3


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the parent of a worker is the runner itself")
def test_a_body_that_kills_the_parent_of_its_process_stops_no_runner(shop: ModuleType) -> None:
    with shop_open(shop):
        assert shop.kill_parent().result is True
        for worker in shop.app.runner.workers:
            os.kill(worker.pid, signal.SIGKILL)  # so that new ones are needed
        assert [shop.add(number, 1).result for number in range(3)] == [1, 2, 3]
