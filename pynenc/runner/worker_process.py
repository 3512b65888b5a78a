"""A worker process: started by a runner, it claims and executes until it is told to stop.

Run as `python -m pynenc.runner.worker_process FD` with its recipe on the socket FD, or forked by a
`fork_server`. The process stops gracefully at SIGTERM, however often that comes, and when the socket
is closed, which also happens when its parent dies. A byte on the socket ends the grace. Standard
input is the null device.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import socket
import sys
import threading

from pynenc.conf.config_runner import ConfigRunner
from pynenc.runner.engine import Engine
from pynenc.runner.leaving import leave_in_time
from pynenc.runner.signal_watch import SignalWatch
from pynenc.runner.worker_recipe import FAREWELL, UP, WorkerRecipe, make_ready, service_of

_FORCED = 70
_LOOK_S = 0.5


class _Worker:
    """The process's engine and the two events that end it."""

    def __init__(self, recipe: WorkerRecipe, channel: socket.socket) -> None:
        self.app = recipe.app
        self._channel = channel
        self._identity = identity = dataclasses.replace(recipe.identity, pid=os.getpid())
        make_ready(self.app, recipe.set_up, recipe.modules)
        self.app.components.runners.ensure_runner_registered(identity, service_of(self.app, recipe.queues))
        self._conf = self.app.settings_loader.load(ConfigRunner)
        self._conf.queues = recipe.queues
        self._engine = Engine(
            self.app, identity, self._conf, recipe.slots, lambda: os._exit(_FORCED), recipe.quota
        )
        self._idle_timeout_s = recipe.idle_timeout_s
        self.stopping = threading.Event()
        self._hurry = threading.Event()

    def watch_parent(self) -> None:
        """Hurry when the parent says so; stop when standard input ends."""
        with contextlib.suppress(OSError):
            while self._channel.recv(1024):
                self._hurry.set()
        self.stopping.set()

    def run(self) -> None:
        """Work until told to stop."""
        hooks = self.app.components.hooks
        hooks.call("process_started", process=self._identity)
        self._engine.start()
        with contextlib.suppress(OSError):
            self._channel.sendall(UP)
        self._engine.when_spent(self._leave)
        if self._idle_timeout_s is None:
            self.stopping.wait()
        else:
            while self._engine.idle_seconds() < self._idle_timeout_s:
                if self.stopping.wait(_LOOK_S):
                    break
            else:
                self._leave()
        self._engine.stop(self._conf.shutdown_grace_seconds, self._hurry)
        hooks.call("process_stopped", process=self._identity)
        self.app.close()

    def _leave(self) -> None:
        """End because the work is done, and say so: any other end means that a worker is missing."""
        with contextlib.suppress(OSError):
            self._channel.sendall(FAREWELL)
        self.stopping.set()


def main() -> None:
    """Entry point of the process."""
    work_for(socket.socket(fileno=int(sys.argv[1])))


def work_for(channel: socket.socket) -> None:
    """Work by the recipe that comes by a socket, until told to stop."""
    # The terminal sends SIGINT to the whole group; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel.set_inheritable(False)
    try:
        with channel.makefile("rb") as stream:
            recipe = WorkerRecipe.receive(stream)
    except EOFError:
        return  # whoever started this process is gone already
    worker = _Worker(recipe, channel)
    threading.Thread(target=worker.watch_parent, name="pynenc-parent-watch", daemon=True).start()
    with SignalWatch(worker.stopping.set, (signal.SIGTERM,)):
        worker.run()
    leave_in_time()


if __name__ == "__main__":
    main()
