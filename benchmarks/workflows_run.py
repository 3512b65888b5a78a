"""What recording and replaying costs: `python -m benchmarks.workflows_run`.

One runner with two threads in a process of its own. Steps do nothing, so this is the price of the
record. A replay is timed from the first line of the body to the place where it had waited.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.engines import engine
from benchmarks.peers import scratch, until

_RUN = "from benchmarks.workflow_tasks import app; app.runner.run()"


def measure(name: str, count: int, parked: int) -> dict[str, float]:
    """All measures on one engine, in this process."""
    with scratch() as folder, engine(name, Path(folder)):
        os.environ["PYNENC__BACKEND"] = name.partition("-")[0]
        os.environ["PYNENC__SQLITE_DB_PATH"] = str(Path(folder, "pynenc.db"))
        os.environ["PYNENC__LOGGING_LEVEL"] = "error"
        os.environ["PYNENC__RUNNER_CLS"] = "ThreadRunner"
        os.environ["PYNENC__MAX_THREADS"] = "2"
        tasks = importlib.import_module("benchmarks.workflow_tasks")
        process = subprocess.Popen([sys.executable, "-c", _RUN])
        try:
            recorded = tasks.recorded(count).result
            children = tasks.children(count // 10).result
            call = tasks.replayed(count)
            until(lambda: _is_parked(tasks.app, call.invocation_id))
            tasks.app.send_event(call.invocation_id, "go")
            replay = call.result
            calls = list(tasks.replayed.parallelize([(1,)] * parked))
            until(lambda: all(_is_parked(tasks.app, each.invocation_id) for each in calls[-20:]))
            until(lambda: not tasks.app.broker.queues())
            begun = time.perf_counter()
            for each in calls:
                tasks.app.send_event(each.invocation_id, "go")
            assert all(each.result is not None for each in calls)
            woken = parked / (time.perf_counter() - begun)
        finally:
            process.terminate()
            process.wait()
        return {
            "steps a second": count / recorded,
            "children started and gathered a second": count / 10 / children,
            "replay of 1,000 steps, ms": replay / count * 1_000_000,
            f"of {parked} parked, woken and ended a second": woken,
        }


def _is_parked(app: object, invocation_id: str) -> bool:
    (state,) = app.orchestrator.read([invocation_id])  # type: ignore[attr-defined]
    return state is not None and state.is_parked


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", nargs="+", default=["sqlite", "redis", "mongo"], help="which to measure")
    parser.add_argument("--steps", type=int, default=10_000, help="steps of the workflow that is replayed")
    parser.add_argument("--parked", type=int, default=1000, help="workflows that wait for an event")
    parser.add_argument("--only", help="measure one, here, and print JSON")
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measure(options.only, options.steps, options.parked)))
        return
    for name in options.engines:
        command = [sys.executable, "-m", "benchmarks.workflows_run", "--only", name]
        command += ["--steps", str(options.steps), "--parked", str(options.parked)]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        figures = json.loads(output.splitlines()[-1])
        print(f"{name:<8}", ", ".join(f"{what} {value:,.0f}" for what, value in figures.items()))


if __name__ == "__main__":
    main()
