"""A living example for the web monitor: a runner, and somebody who submits calls of every kind."""

from __future__ import annotations

import importlib
import random
import signal
import threading
from collections.abc import Callable
from typing import cast

from pynenc.app import Pynenc
from pynenc.conf.config_monitor import ConfigMonitor
from pynenc.plugins.registry import import_object
from pynenc.task import Task

_TASKS = "pynenc.cli.demo_tasks"
_EVERY_S = 0.5


class Customers:
    """Submits a call of some kind every half a second, in a thread, until it is stopped.

    Args:
        seed: Makes the same choices again.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._draw = random.Random(seed)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="demo-customers", daemon=True)
        self._parked: list[str] = []

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        acts: list[Callable[[], object]] = [self._count, self._count, self._fetch, self._order, self._pay]
        self._task("count_primes").options(queue="nobody consumes this")(100, 0.0)
        while not self._stopped.wait(_EVERY_S):
            self._draw.choice(acts)()

    @staticmethod
    def _task(name: str) -> Task[..., object]:
        return cast("Task[..., object]", import_object(f"{_TASKS}:{name}"))

    def _count(self) -> None:
        task = self._task("count_primes").options(tags={"customer": str(self._draw.randrange(5))})
        task.parallelize([(self._draw.randrange(3000), self._draw.random() / 5) for _ in range(5)])

    def _fetch(self) -> None:
        self._task("fetch")(f"http://stock/{self._draw.randrange(100)}", self._draw.random())

    def _order(self) -> None:
        call = self._task("order")(f"order {self._draw.randrange(1000)}")
        self._parked.append(call.invocation_id)

    def _pay(self) -> None:
        app = cast(Pynenc, self._task("order").app)
        if self._parked:
            app.send_event(self._parked.pop(0), "paid", {"amount": self._draw.randrange(100)})


def live(app: Pynenc, port: int) -> None:
    """Run the example and serve its monitor until it is stopped.

    Args:
        app: The app of the demo.
        port: The port of the monitor.
    """
    serve = importlib.import_module("pynenc.monitor.serving").serve
    runner = app.runner
    loop = threading.Thread(target=runner.run, name="demo-runner")
    customers = Customers()
    loop.start()
    customers.start()
    for number in (signal.SIGINT, signal.SIGTERM):  # the server ends at them, and sends them again
        signal.signal(number, lambda *_: None)
    try:
        serve(app, app.settings_loader.load(ConfigMonitor), "127.0.0.1", port)
    finally:
        customers.stop()
        runner.stop_runner_loop()
        loop.join()
        Pynenc.discard(app.app_id)
