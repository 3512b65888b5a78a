"""The cost of counting, of history, loads, kept logs and alerts: `python -m benchmarks.observation_run`.

First the recorder alone: noting an event, and adding events up at a heartbeat, in microseconds an event. Then
draining no-op calls with `observation` full and off in turn on each engine: calls a second, and the median of
the ratios of neighbouring runs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.engines import engine
from benchmarks.noop_tasks import nothing
from pynenc import Pynenc
from pynenc.invocation.status import InvocationStatus
from pynenc.recording.recorder import ENDED, STARTED, Recorder
from pynenc.testing import working

_EVENTS = 100_000
_ENGINES = ("sqlite", "redis", "mongo")


def recorder(threads: int) -> tuple[float, float]:
    """Return what noting an event and adding it up cost, in microseconds, with some threads that note."""
    counts = Recorder()
    each = _EVENTS // threads

    def note() -> None:
        for _ in range(each // 2):
            counts.note((STARTED, "shop.price", "default", "", 0.01))
            counts.note((ENDED, "shop.price", "default", "success", 0.2))

    workers = [threading.Thread(target=note) for _ in range(threads)]
    begun = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    noted = time.perf_counter()
    counts.drain()
    added = time.perf_counter()
    return (noted - begun) / _EVENTS * 1e6, (added - noted) / _EVENTS * 1e6


def drained(count: int) -> float:
    """Return how many calls a second a runner of this process ends."""
    app = Pynenc({"app_id": f"observed{os.getpid()}", "runner_cls": "ThreadRunner", "logging_level": "error"})
    task = app.task(nothing)
    task.parallelize([()] * count)
    begun = time.perf_counter()
    with working(app):
        while app.count(statuses=InvocationStatus.SUCCESS) < count:
            time.sleep(0.02)
        return count / (time.perf_counter() - begun)


def measured(observation: str, count: int) -> float:
    """Return the same of a process of its own."""
    environment = {
        **os.environ,
        "PYNENC__OBSERVATION": observation,
        "PYNENC__ALERTS": str(observation != "off"),
    }
    command = [sys.executable, "-m", "benchmarks.observation_run", "--one", "--count", str(count)]
    return float(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=4000, help="calls of each run")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each kind on each engine")
    parser.add_argument("--engines", nargs="+", default=_ENGINES, help="which to measure")
    parser.add_argument("--one", action="store_true", help="drain once, here, and print the rate")
    options = parser.parse_args()
    if options.one:
        print(drained(options.count))
        return
    console = Console()
    for threads in (1, 8):
        pairs = [recorder(threads) for _ in range(10)]
        noting, adding = (statistics.median(each) for each in zip(*pairs, strict=True))
        console.print(f"recorder, {threads} thread(s): noted in {noting:.2f} µs, added up in {adding:.2f} µs")
    table = Table("engine", "off, calls/s", "full, calls/s", "full / off")
    for name in options.engines:
        with tempfile.TemporaryDirectory() as folder, engine(name, Path(folder)):
            os.environ["PYNENC__BACKEND"] = name
            os.environ["PYNENC__SQLITE_DB_PATH"] = str(Path(folder) / "bench.db")
            pairs = [
                (measured("off", options.count), measured("full", options.count))
                for _ in range(options.rounds)
            ]
        off, full = (statistics.median(each) for each in zip(*pairs, strict=True))
        ratio = statistics.median(two / one for one, two in pairs)
        table.add_row(name, f"{off:,.0f}", f"{full:,.0f}", f"{ratio:.3f}")
    console.print(table)


if __name__ == "__main__":
    main()
