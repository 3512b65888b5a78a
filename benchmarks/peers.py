"""What is measured: each contender starts workers, submits no-op tasks and waits for results."""

from __future__ import annotations

import importlib
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.counting import counted
from pynenc.invocation.status import InvocationStatus

WAIT_S = 120.0


class Contender(ABC):
    """One task queue with one way to store."""

    name: str

    @abstractmethod
    def submit(self, count: int) -> None:
        """Submit calls one by one."""

    @abstractmethod
    def done(self) -> int:
        """How many invocations have ended."""

    @abstractmethod
    def gather(self, count: int) -> int:
        """Fan out, wait for all results and give their sum."""

    @abstractmethod
    def round_trip(self) -> None:
        """One call, waited for."""

    @abstractmethod
    @contextmanager
    def workers(self, processes: int) -> Iterator[None]:
        """Worker processes, up and ready inside the block."""

    def operations(self) -> dict[str, float]:
        """What an invocation costs the storage, where the contender can tell."""
        return {}


class Ours(Contender):
    """pynenc on one of its storages."""

    def __init__(self, engine: str, folder: str, requests: Callable[[], int] | None = None) -> None:
        self.name = f"pynenc ({engine})"
        self._folder = folder
        self._requests = requests
        backend = engine.partition("-")[0]
        os.environ["PYNENC__BACKEND"] = backend
        os.environ["PYNENC__SQLITE_DB_PATH"] = str(Path(folder, "pynenc.db"))
        os.environ["PYNENC__LOGGING_LEVEL"] = "error"
        os.environ["PYNENC__RUNNER_CLS"] = "ThreadRunner" if backend == "mem" else "PersistentProcessRunner"
        os.environ["PYNENC__MAX_THREADS"] = "2"
        # Only now, because the settings are read when the app is made.
        tasks = importlib.import_module("benchmarks.noop_tasks")
        self._app = tasks.app
        self._add = tasks.add
        self._sleep = tasks.sleep

    def submit(self, count: int) -> None:
        for number in range(count):
            self._add(number, 1)

    def done(self) -> int:
        return int(self._app.orchestrator.count_states(InvocationStatus.SUCCESS))

    def gather(self, count: int) -> int:
        return sum(self._add.parallelize([(number, 1) for number in range(count)]).results)

    def round_trip(self) -> None:
        assert self._add(1, 1).result == 2

    @contextmanager
    def workers(self, processes: int) -> Iterator[None]:
        os.environ["PYNENC__NUM_PROCESSES"] = str(processes)
        self._app._reset_cached_components() if self._app.conf.backend != "mem" else None
        runner = self._app.runner
        thread = threading.Thread(target=runner.run)
        thread.start()
        try:
            yield
        finally:
            runner.stop_runner_loop()
            thread.join()

    def fan_out(self, count: int) -> None:
        """Submit many calls in one go."""
        self._group = self._add.parallelize([(number, 1) for number in range(count)])

    def wait_fan_out(self) -> None:
        """Wait for what `fan_out` submitted."""
        assert sum(self._group.results) > 0

    def sleep_side_by_side(self, count: int, seconds: float) -> None:
        """Run tasks that only sleep, and wait for them."""
        list(self._sleep.parallelize([(seconds,) for _ in range(count)]).results)

    def live_runners(self) -> list[object]:
        """The runners, workers included, that give signs of life."""
        return list(self._app.orchestrator.live_runners(0.0))

    def operations(self) -> dict[str, float]:
        return counted(self._app, self._add, self._requests)


class HueySqlite(Contender):
    """Huey on SQLite, with its defaults."""

    name = "Huey (SQLite)"

    def __init__(self, folder: str) -> None:
        os.environ["BENCH_HUEY_PATH"] = str(Path(folder, "huey.db"))
        self._tasks = importlib.import_module("benchmarks.huey_tasks")

    def submit(self, count: int) -> None:
        for number in range(count):
            self._tasks.add(number, 1)

    def done(self) -> int:
        return int(self._tasks.huey.result_count())

    def gather(self, count: int) -> int:
        results = [self._tasks.add(number, 1) for number in range(count)]
        return sum(result.get(blocking=True, timeout=WAIT_S) for result in results)

    def round_trip(self) -> None:
        assert self._tasks.add(1, 1).get(blocking=True, timeout=WAIT_S) == 2

    @contextmanager
    def workers(self, processes: int) -> Iterator[None]:
        command = [sys.executable, "-m", "huey.bin.huey_consumer", "benchmarks.huey_tasks.huey"]
        command += ["-w", str(processes), "-k", "process", "-q"]
        consumer = subprocess.Popen(command)
        try:
            yield
        finally:
            consumer.send_signal(signal.SIGINT)
            consumer.wait()


def is_installed(module: str) -> bool:
    """Whether a peer can be measured here."""
    return importlib.util.find_spec(module) is not None


@contextmanager
def scratch() -> Iterator[str]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="pynenc-bench-") as folder:
        yield folder


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition.

    Raises:
        TimeoutError: It did not come true.
    """
    deadline = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("a contender did not finish")
        time.sleep(0.005)
