"""A worker process: started by a runner, it claims and executes until it is told to stop.

Run as `python -m pynenc.runner.worker_process` with its recipe on standard input. It stops
gracefully at SIGTERM, however often that comes, and when standard input ends, which also
happens when its parent dies. A byte more on standard input ends the grace.
"""

from __future__ import annotations

import dataclasses
import importlib
import os
import signal
import sys
import threading

from pynenc.conf.config_runner import ConfigRunner
from pynenc.runner.engine import Engine
from pynenc.runner.signal_watch import SignalWatch
from pynenc.runner.worker_recipe import WorkerRecipe

_FORCED = 70
_LOOK_S = 0.5


class _Worker:
    """The process's engine and the two events that end it."""

    def __init__(self, recipe: WorkerRecipe) -> None:
        self.app = recipe.app
        identity = dataclasses.replace(recipe.identity, pid=os.getpid())
        for module in recipe.modules:
            self._import(module)
        self.app.import_task_modules()
        self.app.components.runners.ensure_runner_registered(identity)
        self._conf = self.app.settings_loader.load(ConfigRunner)
        self._conf.queues = recipe.queues
        self._engine = Engine(
            self.app, identity, self._conf, recipe.slots, lambda: os._exit(_FORCED), recipe.quota
        )
        self._idle_timeout_s = recipe.idle_timeout_s
        self.stopping = threading.Event()
        self._hurry = threading.Event()

    def _import(self, module: str) -> None:
        try:
            importlib.import_module(module)
        except Exception:
            # Its tasks fail with a clear error of their own; those of other modules still run.
            self.app.logger.exception("worker cannot import '%s'", module)

    def watch_parent(self) -> None:
        """Hurry when the parent says so; stop when standard input ends."""
        while os.read(sys.stdin.fileno(), 1024):
            self._hurry.set()
        self.stopping.set()

    def run(self) -> None:
        """Work until told to stop."""
        self._engine.start()
        self._engine.when_spent(self.stopping.set)
        if self._idle_timeout_s is None:
            self.stopping.wait()
        else:
            while self._engine.idle_seconds() < self._idle_timeout_s and not self.stopping.wait(_LOOK_S):
                pass
        self._engine.stop(self._conf.shutdown_grace_seconds, self._hurry)
        self.app.close()


def main() -> None:
    """Entry point of the process."""
    # The terminal sends SIGINT to the whole group; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    worker = _Worker(WorkerRecipe.receive(sys.stdin.buffer))
    threading.Thread(target=worker.watch_parent, name="pynenc-parent-watch", daemon=True).start()
    with SignalWatch(worker.stopping.set, (signal.SIGTERM,)):
        worker.run()


if __name__ == "__main__":
    main()
