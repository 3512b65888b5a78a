"""A process that forks worker processes, so that each begins with what is imported already.

Run as `python -m pynenc.runner.fork_server FD` with the control socket FD, whose first message tells
what to import: the import path and the names of modules, pickled. Each later message carries the
socket of a worker to start and is answered with the worker's process id and a descriptor of the
process. When a worker ends, its exit code is written to its socket. The server has no threads and
imports nothing of the user's, so what it forks is as good as new. It ends when the control socket is
closed, which also happens when the runner dies.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import pickle
import selectors
import signal
import socket
import sys

from pynenc.plugins.registry import plugin_registry
from pynenc.runner import worker_process
from pynenc.runner.worker_recipe import EXITED, LARGEST_MESSAGE


class _Server:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._workers: dict[int, tuple[int, socket.socket]] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ)

    def serve(self) -> socket.socket | None:
        """Start workers until the runner is gone; in a new worker, return its socket."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is not self._control:
                    self._bury(key.fd)
                    continue
                message, fds, _, _ = socket.recv_fds(self._control, 1, 1)
                if not message:
                    return None
                channel = self._start(socket.socket(fileno=fds[0]))
                if channel is not None:
                    return channel

    def _start(self, channel: socket.socket) -> socket.socket | None:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # a runner may have been started without them
                stream.flush()
        pid = os.fork()
        if pid == 0:
            self._forget_all()
            return channel
        process_fd = os.pidfd_open(pid)
        self._workers[process_fd] = pid, channel
        self._selector.register(process_fd, selectors.EVENT_READ)
        with contextlib.suppress(OSError):
            socket.send_fds(self._control, [str(pid).encode()], [process_fd])
        return None

    def _bury(self, process_fd: int) -> None:
        """Take leave of a worker that has ended, and tell how."""
        self._selector.unregister(process_fd)
        pid, channel = self._workers.pop(process_fd)
        _, status = os.waitpid(pid, 0)
        os.close(process_fd)
        with channel, contextlib.suppress(OSError):
            channel.sendall(EXITED % os.waitstatus_to_exitcode(status))

    def _forget_all(self) -> None:
        """Close what belongs to the server and to other workers."""
        self._selector.close()
        self._control.close()
        for process_fd, (_, channel) in self._workers.items():
            os.close(process_fd)
            channel.close()


def main() -> None:
    """Entry point of the process."""
    # A service manager that stops a whole group signals the server too; the runner decides when it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Blocked and not ignored: one that reaches a new worker at once waits until it may be acted on.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    path, modules = pickle.loads(control.recv(LARGEST_MESSAGE))
    sys.path[:] = path
    for module in modules:
        with contextlib.suppress(Exception):  # whoever needs it tells why it cannot be imported
            importlib.import_module(module)
    plugin_registry()
    gc.collect()
    gc.freeze()  # what is there now stays shared with the workers
    channel = _Server(control).serve()
    if channel is not None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
        sys.modules["__main__"] = worker_process  # as in a worker that is a new Python
        worker_process.work_for(channel)


if __name__ == "__main__":
    main()
