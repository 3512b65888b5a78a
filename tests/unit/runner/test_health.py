"""The health of a runner: what it says in which state, over HTTP and in a file."""

from __future__ import annotations

import http.client
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import plain_tasks
import pytest

from pynenc import Pynenc
from pynenc.conf.config_runner import ConfigPoolRunner
from pynenc.context import RunnerContext
from pynenc.exceptions import RunnerError, StorageUnavailableError
from pynenc.runner.health import Health, HealthFile, HealthServer
from pynenc.runner.thread_runner import ThreadRunner
from pynenc.runner.worker_pool import WorkerHandle, WorkerPool
from pynenc.testing.app_fixtures import running


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(2.0, clock)


def _told(health: Health) -> tuple[str | None, str | None]:
    return health.why_dead(), health.why_not_ready()


def test_a_runner_that_starts_works_drains_and_stops_is_told_apart(health: Health, clock: Clock) -> None:
    clock.now += 3600
    assert _told(health) == (None, "starting")
    health.enter("working")
    assert _told(health) == (None, None)
    health.enter("draining")
    assert _told(health) == (None, "draining")
    health.enter("stopped")
    clock.now += 3600
    assert _told(health) == (None, "stopped")


def test_one_that_gives_no_sign_of_life_is_dead(health: Health, clock: Clock) -> None:
    health.enter("working")
    clock.now += 5.9
    assert _told(health) == (None, None)
    clock.now += 0.2
    assert _told(health) == ("stalled", "stalled")
    health.trying()
    health.beat()
    assert _told(health) == (None, None)


def test_one_whose_store_is_away_lives_and_is_not_ready_for_long(health: Health, clock: Clock) -> None:
    health.enter("working")
    health.trying()
    clock.now += 20
    assert _told(health) == (None, None), "the store may take that long to refuse"
    health.missed()
    clock.now += 5
    assert _told(health) == (None, None)
    health.trying()
    clock.now += 6
    assert _told(health) == (None, "storage")
    health.missed()
    health.trying()
    health.beat()
    assert _told(health) == (None, None)
    health.trying()
    clock.now += 121
    assert _told(health) == ("hung", "hung")


def test_one_whose_workers_do_not_come_up_is_dead_after_a_while(health: Health, clock: Clock) -> None:
    health.enter("working")
    health.workers_down()
    assert _told(health) == (None, "workers")
    for _ in range(31):
        clock.now += 1
        health.trying()
        health.beat()
        health.workers_down()
    assert _told(health) == ("workers", "workers")
    health.workers_up()
    assert _told(health) == (None, None)


@pytest.fixture
def server(health: Health) -> Iterator[HealthServer]:
    server = HealthServer(health, "127.0.0.1", 0)
    yield server
    server.close()


def _get(server: HealthServer, path: str, method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(method, path)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body


def test_probes_are_answered(server: HealthServer, health: Health, clock: Clock) -> None:
    assert _get(server, "/healthz") == (200, "ok\n")
    assert _get(server, "/readyz") == (503, "starting\n")
    health.enter("working")
    assert _get(server, "/readyz?verbose=1") == (200, "ok\n")
    assert _get(server, "/readyz", "HEAD") == (200, "")
    clock.now += 60
    assert _get(server, "/healthz") == (503, "stalled\n")
    assert _get(server, "/") == (404, "not found\n")
    assert _get(server, "/healthz", "POST")[0] == 501


def test_clients_that_do_not_speak_keep_nobody_out_for_long(server: HealthServer) -> None:
    silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(8)]
    while server._free._value:
        time.sleep(0.005)
    late = socket.create_connection(("127.0.0.1", server.port))
    assert late.recv(10) == b"", "a ninth client is hung up on"
    late.close()
    assert [each.recv(10) for each in silent] == [b""] * 8, "they are hung up on after two seconds"
    for each in silent:
        each.close()
    for junk in (b"\0\xff\r\n\r\n", b"GET " + b"x" * 100_000 + b"\r\n\r\n", b"GET /healthz\r\n"):
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(junk)
    assert _get(server, "/healthz") == (200, "ok\n")


def test_a_port_that_is_taken_is_refused_at_the_start(server: HealthServer, health: Health) -> None:
    with pytest.raises(RunnerError, match=rf"the health port {server.port} on '127.0.0.1' cannot be opened"):
        HealthServer(health, "127.0.0.1", server.port)
    with pytest.raises(RunnerError, match="the health port 0 on 'no.such.host.invalid' cannot be opened"):
        HealthServer(health, "no.such.host.invalid", 0)


def test_a_file_holds_the_health_and_is_removed(
    tmp_path: Path, health: Health, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "folder" / "health.json"
    with pytest.raises(RunnerError, match="'health_file' cannot be written"):
        HealthFile(health, place, logging.getLogger())
    place.parent.mkdir()
    file = HealthFile(health, place, logging.getLogger())
    health.tell(file.refresh)
    told = json.loads(place.read_text())
    assert (told["phase"], told["live"], told["ready"], told["reason"]) == (
        "starting",
        True,
        False,
        "starting",
    )
    assert (told["pid"], time.time() - told["at"] < 60) == (os.getpid(), True)
    health.enter("working")
    assert json.loads(place.read_text())["ready"] is True
    assert list(place.parent.iterdir()) == [place]
    place.unlink()
    place.parent.rmdir()
    health.beat()
    health.beat()
    assert len([record for record in caplog.records if "cannot be written" in record.message]) == 1
    place.parent.mkdir()
    health.beat()
    assert place.exists()
    file.close()
    file.close()
    assert not place.exists()


def test_a_runner_tells_its_health(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "health.json"
    settings = {
        "runner_cls": "ThreadRunner",
        "heartbeat_interval_seconds": 0.05,
        "runner": {"health_file": str(path), "health_port": 0},
    }
    app = Pynenc({"app_id": "healthy", **settings})
    add = app.task(plain_tasks.add)
    runner = app.runner
    assert isinstance(runner, ThreadRunner)
    with running(app):
        assert add(1, 2).result == 3
        server = runner.probes.server
        assert server is not None
        while _get(server, "/readyz") != (200, "ok\n"):
            time.sleep(0.005)
        status, text = _get(server, "/metrics")
        assert (status, "pynenc_runners_alive 1\n" in text) == (200, True)
        before = json.loads(path.read_text())["at"]
        while json.loads(path.read_text())["at"] == before:
            time.sleep(0.01)
        away = threading.Event()

        def refuse(*given: object) -> None:
            away.set()
            raise StorageUnavailableError("away")

        monkeypatch.setattr(app.orchestrator, "heartbeat", refuse)
        assert away.wait(10)
        assert _get(server, "/healthz") == (200, "ok\n")
        monkeypatch.setattr(app.orchestrator, "count_many_states", refuse)
        assert _get(server, "/metrics") == (503, "pynenc.exceptions.StorageUnavailableError\n")
        while runner.health._away_since is None:
            time.sleep(0.005)
        monkeypatch.undo()
        while runner.health._away_since is not None:
            time.sleep(0.005)
    assert not path.exists()
    with pytest.raises(OSError, match="refused"):
        _get(server, "/healthz")


def test_workers_that_give_no_signs_of_life_are_not_up() -> None:
    app = Pynenc({"app_id": "stopped_workers"})
    pool = WorkerPool(app, RunnerContext("PersistentProcessRunner"), ConfigPoolRunner(), 1)
    ours, theirs = socket.socketpair()
    process = StartedProcess(os.getpid())
    worker = WorkerHandle(RunnerContext("worker"), process, ours, is_up=True)
    with ours, theirs:
        pool.look_at_heartbeats()
        assert pool.health.failing_since is None, "no worker is up yet"
        pool._workers.add(worker)
        pool.look_at_heartbeats()
        assert pool.health.failing_since is not None
        app.orchestrator.heartbeat([worker.identity.runner_id], app.orchestrator.now())
        pool.look_at_heartbeats()
        assert pool.health.failing_since is None


class StartedProcess:
    """A process that is never over."""

    exit_code = None

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def is_over(self, within_s: float | None = 0.0) -> bool:
        return False

    def send_signal(self, number: signal.Signals) -> None:
        """Do nothing."""


_POOL = """
import os, sys
from pynenc import Pynenc
app = Pynenc({"app_id": "pool_health", "backend": "sqlite", "runner_cls": "PersistentProcessRunner",
              "heartbeat_interval_seconds": 0.1,
              "runner": {"num_processes": 1, "restart_delay_seconds": 0.05}})
if os.path.exists("broken") and "runner" not in sys.argv:  # in a worker
    os._exit(3)

@app.task
def end():
    os._exit(9)
"""


def test_worker_processes_that_end_make_a_runner_unready(tmp_path: Path) -> None:
    (tmp_path / "pool.py").write_text(_POOL)
    path = tmp_path / "health.json"
    command = [sys.executable, "-m", "pynenc", "--app", "pool", "runner", "start", "--health-file", str(path)]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        _until(path, lambda told: told["ready"])
        (tmp_path / "broken").touch()
        environment = {**os.environ, "PYNENC__EMBEDDED_RUNNER": "false"}
        script = "import sys; sys.argv.append('runner'); from pool import end; end()"
        subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, check=True)
        _until(path, lambda told: told["reason"] == "workers")
        (tmp_path / "broken").unlink()
        _until(path, lambda told: told["ready"])
        process.send_signal(signal.SIGTERM)
    assert not path.exists()


def _until(path: Path, wanted: object) -> None:
    while True:
        try:
            told = json.loads(path.read_text())
        except FileNotFoundError:
            told = None
        if told is not None and wanted(told):  # type: ignore[operator]
            return
        time.sleep(0.01)
