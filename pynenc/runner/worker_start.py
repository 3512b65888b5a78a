"""Starting worker processes: forked by a server, or each from the beginning."""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Protocol

from pynenc.exceptions import RunnerError
from pynenc.runner.worker_recipe import LARGEST_MESSAGE

_ANSWER_S = 60.0


class WorkerProcess(Protocol):
    """A process that was started."""

    pid: int

    @property
    def exit_code(self) -> int | None:
        """The exit code; None while it is not known."""

    def is_over(self, within_s: float | None = 0.0) -> bool:
        """Return whether it has ended, after waiting for that; for ever if `within_s` is None."""

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens if it has ended."""


class WorkerStarter(Protocol):
    """Starts worker processes."""

    def start(self, channel: socket.socket) -> WorkerProcess:
        """Start one that gets its recipe by this socket.

        Raises:
            OSError: The system cannot start one now.
        """

    def close(self) -> None:
        """Release what was needed for starting; workers go on."""


class SpawnedProcess:
    """A child process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.pid = process.pid
        self._process = process

    @property
    def exit_code(self) -> int | None:
        return self._process.returncode

    def is_over(self, within_s: float | None = 0.0) -> bool:
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def send_signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)


class Spawner:
    """Starts each worker as a new Python."""

    def start(self, channel: socket.socket) -> SpawnedProcess:
        fd = channel.fileno()
        command = [sys.executable, "-m", "pynenc.runner.worker_process", str(fd)]
        return SpawnedProcess(subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[fd]))

    def close(self) -> None:
        pass


class ForkedProcess:
    """A process that a fork server has started, known by its descriptor."""

    def __init__(self, pid: int, process_fd: int) -> None:
        self.pid = pid
        self.exit_code: int | None = None  # its parent, the server, tells it by the socket of the worker
        self._fd: int | None = process_fd
        self._lock = threading.Lock()

    def is_over(self, within_s: float | None = 0.0) -> bool:
        fd = self._fd
        if fd is None:
            return True
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        if not poll.poll(None if within_s is None else within_s * 1000):
            return False
        with self._lock:
            if self._fd is not None:
                self._fd = None
                os.close(fd)
        return True

    def send_signal(self, number: signal.Signals) -> None:
        with self._lock, contextlib.suppress(ProcessLookupError):
            if self._fd is not None:
                signal.pidfd_send_signal(self._fd, number)


class ForkServer:
    """Starts workers by a server that forks them; it begins when it is first needed, and again if it dies.

    Args:
        modules: What the server imports.
    """

    def __init__(self, modules: Sequence[str]) -> None:
        self._modules = tuple(modules)
        self._lock = threading.Lock()
        self._server: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def start(self, channel: socket.socket) -> ForkedProcess:
        with self._lock:
            try:
                control = self._control or self._start_server()
                socket.send_fds(control, [b"w"], [channel.fileno()])
                answer, fds, _, _ = socket.recv_fds(control, 64, 1)
                if not answer:
                    raise EOFError
            except (OSError, EOFError) as error:
                self._stop_server()
                raise OSError(f"the process that starts workers is gone: {type(error).__name__}") from error
            return ForkedProcess(int(answer), fds[0])

    def close(self) -> None:
        with self._lock:
            self._stop_server()

    def _start_server(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", "pynenc.runner.fork_server", str(theirs.fileno())]
            self._server = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        self._control = ours
        ours.settimeout(_ANSWER_S)
        ours.send(pickle.dumps((sys.path, self._modules)))
        return ours

    def _stop_server(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._server is not None:
            try:
                self._server.wait(1.0)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
            self._server = None


def starter_for(method: str, modules: Sequence[str]) -> WorkerStarter:
    """Return what starts workers.

    Args:
        method: `fork_server`, `spawn`, or `auto` for the first of them that this system has.
        modules: Modules that workers will need and that may be imported beforehand.

    Raises:
        RunnerError: This system cannot do it.
    """
    if method == "spawn":
        return Spawner()
    if _can_fork() and len(pickle.dumps((sys.path, tuple(modules)))) < LARGEST_MESSAGE:
        return ForkServer(modules)
    if method == "fork_server":
        raise RunnerError(
            "start_method=fork_server needs Linux with process descriptors (pidfd_open), which this system "
            "does not have; use 'spawn' or 'auto'"
        )
    return Spawner()


def _can_fork() -> bool:
    if not (sys.platform == "linux" and hasattr(os, "pidfd_open")):
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:  # an old kernel, or a sandbox that forbids it
        return False
    return True
