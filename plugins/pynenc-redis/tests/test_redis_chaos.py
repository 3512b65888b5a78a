"""Servers restarted, connections cut, workers killed: everything ends once all the same."""

from __future__ import annotations

import importlib
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from proxy import Proxy
from redis_apps import redis_storage
from redis_server import RedisServer

from pynenc.invocation.status import InvocationStatus
from pynenc.orchestrator.storage_orchestrator import StorageOrchestrator
from pynenc.testing.app_fixtures import running

COUNT = 500
HERE = Path(__file__).parent


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path, appendonly="yes", appendfsync="always") as server:
        yield server


@pytest.fixture
def proxy(server: RedisServer) -> Iterator[Proxy]:
    proxy = Proxy(server.port)
    yield proxy
    proxy.close()


@pytest.fixture
def chaos(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The app with two worker processes, behind the proxy."""
    settings = {
        "BACKEND": "redis",
        "REDIS_URL": f"redis://127.0.0.1:{proxy.port}/0",
        "SOCKET_TIMEOUT": "1",
        "RUNNER_CLS": "PersistentProcessRunner",
        "NUM_PROCESSES": "2",
        "LOGGING_LEVEL": "critical",
        "RESTART_DELAY_SECONDS": "0.01",
        "MAX_RECOVERIES": "50",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"PYNENC__{name}", value)
    monkeypatch.syspath_prepend(str(HERE))
    sys.modules.pop("chaos_app", None)
    yield importlib.import_module("chaos_app")
    sys.modules.pop("chaos_app", None)


@pytest.mark.timeout(180)
def test_all_end_once_whatever_breaks(chaos: ModuleType, proxy: Proxy, server: RedisServer) -> None:
    chance = random.Random(11)
    with running(chaos.app):
        group = list(chaos.add_slowly.parallelize([(number, 1) for number in range(COUNT)]))
        ids = [invocation.invocation_id for invocation in group]
        beside = observer(server)
        faults = ["cut", "delay", "silent", "restart", "kill", "cut", "restart", "kill", "silent", "cut"]
        for number, fault in enumerate(faults):
            target = COUNT * (number + 1) // (len(faults) + 2)
            while ended(beside, ids) < target:
                time.sleep(0.02)
            if fault == "cut":
                proxy.cut()
            elif fault == "delay":
                proxy.delay_s = 0.05
            elif fault == "silent":
                proxy.is_silent = True
                time.sleep(1.5)  # longer than the socket's timeout: what is half open has to be noticed
                proxy.is_silent = False
                proxy.cut()
            elif fault == "restart":
                server.stop(signal.SIGKILL)
                proxy.cut()
                server.start()
            else:
                workers = chaos.app.runner.workers
                if workers:
                    os.kill(chance.choice(workers).pid, signal.SIGKILL)
                proxy.delay_s = 0.0
        while ended(beside, ids) < COUNT:
            time.sleep(0.02)
    for number, invocation in enumerate(group):
        assert invocation.result == number + 1
        statuses = Counter(entry.status for entry in invocation.history)
        assert statuses[InvocationStatus.SUCCESS] == 1
    beside.close()


def observer(server: RedisServer) -> Any:
    """The app's status records, read past the proxy, so that the faults do not blind the test."""
    return redis_storage("chaos", server.url)


def ended(beside: Any, ids: list[str]) -> int:
    """How many have succeeded."""
    table = StorageOrchestrator.tables[0]
    found = beside.read(table, ids, ("status",))
    return sum(record is not None and record["status"] == "success" for record in found)


@pytest.mark.timeout(60)
def test_a_worker_that_lost_its_server_consumes_again(
    chaos: ModuleType, proxy: Proxy, server: RedisServer, tmp_path: Path
) -> None:
    with running(chaos.app):
        assert chaos.add_slowly(1, 1).result == 2
        proxy.is_silent = True  # half open: nobody tells the idle workers that their connection is dead
        proxy.cut()
        proxy.is_silent = False
        server.stop(signal.SIGKILL)
        server.start()
        assert chaos.add_slowly(2, 2).result == 4


@pytest.mark.timeout(60)
def test_all_finish_after_every_worker_was_killed(chaos: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    folder.mkdir()
    with running(chaos.app):
        group = list(chaos.note.parallelize([(str(folder), number) for number in range(100)]))
        while chaos.app.orchestrator.count_states(InvocationStatus.SUCCESS) < 30:
            time.sleep(0.005)
        for worker in chaos.app.runner.workers:
            os.kill(worker.pid, signal.SIGKILL)
        assert [invocation.result for invocation in group] == list(range(100))
    assert len({path.name.split("-")[0] for path in folder.iterdir()}) == 100
