"""From an event to the task that it starts: `python -m benchmarks.triggers_run`.

One runner in a process of its own; events come from this process. Latency is from the call of
`emit_event` to the first line of the body. The storm emits as fast as it can and tells how long
the last task took to start, and by how much the runner's memory grew at its peak.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.engines import engine
from benchmarks.peers import scratch, until
from pynenc.invocation.status import InvocationStatus

_RUN = "from benchmarks.trigger_tasks import app; app.runner.run()"
_MEGABYTE = 1024


@contextmanager
def runner() -> Iterator[int]:
    """A runner in a process of its own; its process id."""
    process = subprocess.Popen([sys.executable, "-c", _RUN])
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def peak_kb(pid: int) -> int:
    """The most memory that a process has had, in KiB."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def measure(name: str, events: int, storm: int) -> dict[str, float]:
    """All measures on one engine, in this process."""
    with scratch() as folder, engine(name, Path(folder)):
        os.environ["PYNENC__BACKEND"] = name.partition("-")[0]
        os.environ["PYNENC__SQLITE_DB_PATH"] = str(Path(folder, "pynenc.db"))
        os.environ["PYNENC__LOGGING_LEVEL"] = "error"
        os.environ["PYNENC__RUNNER_CLS"] = "ThreadRunner"
        os.environ["PYNENC__MAX_THREADS"] = "2"
        app = importlib.import_module("benchmarks.trigger_tasks").app

        def ended() -> int:
            return int(app.orchestrator.count(InvocationStatus.SUCCESS))

        with runner() as pid:
            latencies = []
            for number in range(events + 10):
                begun = time.time()
                app.trigger.emit_event("bench", {"number": number}, event_id=f"e{number}")
                until(lambda number=number: ended() > number)  # type: ignore[misc]
                (run,) = app.trigger.find_runs(limit=1)
                latencies.append(app.get_invocation(run.invocation_id).result - begun)
            before = peak_kb(pid)
            begun = time.time()
            for number in range(storm):
                app.trigger.emit_event("bench", {"number": number})
            emitted = time.time() - begun
            until(lambda: ended() >= events + 10 + storm)
            return {
                "median ms": statistics.median(latencies[10:]) * 1000,
                "90th percentile ms": statistics.quantiles(latencies[10:], n=10)[-1] * 1000,
                "emitted a second": storm / emitted,
                "storm worked off after s": time.time() - begun,
                "peak memory grew by MiB": (peak_kb(pid) - before) / _MEGABYTE,
            }


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", nargs="+", default=["sqlite", "redis", "mongo"], help="which to measure")
    parser.add_argument("--events", type=int, default=200, help="events whose latency is taken")
    parser.add_argument("--storm", type=int, default=10_000, help="events of the storm")
    parser.add_argument("--only", help="measure one, here, and print JSON")
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measure(options.only, options.events, options.storm)))
        return
    for name in options.engines:
        command = [sys.executable, "-m", "benchmarks.triggers_run", "--only", name]
        command += ["--events", str(options.events), "--storm", str(options.storm)]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        figures = json.loads(output.splitlines()[-1])
        print(f"{name:<8}", ", ".join(f"{what} {value:,.1f}" for what, value in figures.items()))


if __name__ == "__main__":
    main()
