"""The server that forks worker processes, and the starting of workers without it."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import pytest

from pynenc.exceptions import RunnerError
from pynenc.runner import worker_start
from pynenc.runner.worker_recipe import EXITED_PATTERN, library_modules
from pynenc.runner.worker_start import ForkServer, Spawner, WorkerProcess, WorkerStarter, starter_for

_MODULES = ("pynenc.runner.worker_process", "no_such_module")


@contextmanager
def started(starter: WorkerStarter) -> Iterator[tuple[WorkerProcess, socket.socket]]:
    """Start a worker that waits for its recipe."""
    ours, theirs = socket.socketpair()
    ours.settimeout(60)
    with ours:
        with theirs:
            process = starter.start(theirs)
        yield process, ours


def all_of(channel: socket.socket) -> bytes:
    told = b""
    while more := channel.recv(64):
        told += more
    return told


@pytest.fixture
def server() -> Iterator[ForkServer]:
    server = ForkServer(_MODULES)
    yield server
    server.close()


def test_the_exit_code_of_a_worker_is_told(server: ForkServer) -> None:
    with started(server) as (process, channel):
        assert not process.is_over()
        process.send_signal(signal.SIGKILL)
        assert process.is_over(within_s=60)
        told = all_of(channel)
    found = EXITED_PATTERN.search(told)
    assert found is not None
    assert int(found[1]) == -signal.SIGKILL
    process.send_signal(signal.SIGTERM)  # which is nobody's any more


def test_a_worker_begins_with_the_signal_handlers_of_a_new_process(server: ForkServer) -> None:
    with started(server) as (process, channel):
        process.send_signal(signal.SIGTERM)
        assert process.is_over(within_s=60)
        assert EXITED_PATTERN.search(all_of(channel)) is not None


def test_a_worker_ends_when_its_runner_is_gone_and_holds_nothing_of_another(server: ForkServer) -> None:
    with started(server) as (first, ours), started(server) as (second, _):
        ours.shutdown(socket.SHUT_WR)  # a recipe that never comes
        assert first.is_over(within_s=60)
        told = all_of(ours)  # ends, so no other process has the socket of the first
        assert EXITED_PATTERN.search(told) is not None
        assert not second.is_over()


def test_a_server_that_was_killed_is_told_and_replaced(server: ForkServer) -> None:
    with started(server) as (survivor, _):
        process = server._server
        assert process is not None
        process.kill()
        process.wait()
        ours, theirs = socket.socketpair()
        with ours, theirs, pytest.raises(OSError, match="starts workers is gone"):
            server.start(theirs)
        assert not survivor.is_over()
        with started(server) as (successor, _):
            assert not successor.is_over()
            assert successor.pid != survivor.pid
        survivor.send_signal(signal.SIGKILL)
        assert survivor.is_over(within_s=60)


def test_closing_ends_the_server_and_no_worker(server: ForkServer) -> None:
    with started(server) as (process, _):
        running = server._server
        assert running is not None
        server.close()
        assert running.returncode == 0
        assert not process.is_over()


def test_a_spawned_worker_tells_its_exit_code_itself() -> None:
    starter = starter_for("spawn", ())
    assert isinstance(starter, Spawner)
    with started(starter) as (process, _):
        assert process.exit_code is None
        process.send_signal(signal.SIGKILL)
        assert process.is_over(within_s=60)
        assert process.exit_code == -signal.SIGKILL
        process.send_signal(signal.SIGTERM)


def test_a_system_without_process_descriptors_spawns(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(pid: int) -> int:
        raise PermissionError("not in this sandbox")

    monkeypatch.setattr(os, "pidfd_open", forbidden)
    assert isinstance(starter_for("auto", ()), Spawner)
    with pytest.raises(RunnerError, match="start_method=fork_server needs"):
        starter_for("fork_server", ())
    monkeypatch.undo()
    assert isinstance(starter_for("fork_server", ()), ForkServer)
    monkeypatch.setattr(worker_start.sys, "platform", "darwin")
    assert isinstance(starter_for("auto", ()), Spawner)


def test_a_server_without_standard_streams_starts_workers() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        with theirs:
            command = f'exec "$0" -m pynenc.runner.fork_server {theirs.fileno()} 1>&- 2>&-'
            server = subprocess.Popen(["sh", "-c", command, sys.executable], pass_fds=[theirs.fileno()])
        ours.settimeout(60)
        ours.send(pickle.dumps((sys.path, ())))
        channel, of_worker = socket.socketpair()
        with channel, of_worker:
            socket.send_fds(ours, [b"w"], [of_worker.fileno()])
            answer, fds, _, _ = socket.recv_fds(ours, 64, 1)
            assert answer.isdigit()
            signal.pidfd_send_signal(fds[0], signal.SIGKILL)
            os.close(fds[0])
    assert server.wait(60) == 0


def test_the_server_imports_the_library_and_nothing_with_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pynenc_shop", "pynenc_shop.tasks", "pynenc_backend.driver", "shop"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    found = library_modules(["pynenc.core_tasks", "pynenc_shop.tasks", "shop"])
    assert {"pynenc.app", "pynenc_backend.driver"} <= set(found)
    assert not [
        name for name in found if name.startswith(("pynenc_shop", "shop", "pynenc.testing", "pynenc.cli"))
    ]
