"""Runs every contender and prints a table: `python -m benchmarks.run`.

Each contender runs in a process of its own, one after the other, several times in turn, and
the best of its runs counts: the machine may be busy with other things.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

from rich.console import Console
from rich.table import Table

from benchmarks.peers import Contender, HueySqlite, Ours, is_installed, scratch, until

CONTENDERS = ("mem", "sqlite", "huey-sqlite")
_FORMS = {
    "submit": ("single submits/s", "{:,.0f}"),
    "drain_1": ("drained/s, 1 worker", "{:,.0f}"),
    "drain_2": ("drained/s, 2 workers", "{:,.0f}"),
    "gather": ("gathered/s (1,000)", "{:,.0f}"),
    "round_trip_ms": ("round trip, ms", "{:.2f}"),
}


def make(name: str, folder: str) -> Contender:
    """The contender with a name."""
    return HueySqlite(folder) if name == "huey-sqlite" else Ours(name, folder)


def measure(name: str, count: int) -> dict[str, object]:
    """All measures of one contender, in this process."""
    with scratch() as folder:
        contender = make(name, folder)
        figures: dict[str, float] = {}
        begun = time.perf_counter()
        contender.submit(count)
        figures["submit"] = count / (time.perf_counter() - begun)
        for processes in (1, 2):
            before = contender.done()
            if processes == 2:
                contender.submit(count)
            with contender.workers(processes):
                figures[f"drain_{processes}"] = _drain(contender, count, before)
                if processes == 2:
                    _settle(contender)
                    begun = time.perf_counter()
                    assert contender.gather(1000) == sum(range(1, 1001))
                    figures["gather"] = 1000 / (time.perf_counter() - begun)
                    figures["round_trip_ms"] = _round_trip(contender)
        return {"name": contender.name, "figures": figures, "operations": contender.operations()}


def _drain(contender: Contender, count: int, before: int) -> float:
    """Invocations a second, from the first end that is seen to the last."""
    until(lambda: contender.done() > before)
    first = contender.done()
    started = time.perf_counter()
    until(lambda: contender.done() >= before + count)
    return (before + count - first) / (time.perf_counter() - started)


def _settle(contender: Contender) -> None:
    for _ in range(5):
        contender.round_trip()


def _round_trip(contender: Contender) -> float:
    times: list[float] = []
    for _ in range(50):
        begun = time.perf_counter()
        contender.round_trip()
        times.append(time.perf_counter() - begun)
        time.sleep(0.01)  # so that the worker is idle again
    return statistics.median(times) * 1000


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=4000, help="invocations per measure")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each contender")
    parser.add_argument("--only", choices=CONTENDERS, help="measure one, here, and print JSON")
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measure(options.only, options.count)))
        return
    names = [name for name in CONTENDERS if name != "huey-sqlite" or is_installed("huey")]
    best: dict[str, dict[str, float]] = {}
    operations: dict[str, dict[str, float]] = {}
    for _ in range(options.rounds):
        for name in names:
            command = [sys.executable, "-m", "benchmarks.run", "--only", name, "--count", str(options.count)]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            report = json.loads(output.splitlines()[-1])
            _keep_best(best.setdefault(report["name"], {}), report["figures"])
            operations[report["name"]] = report["operations"]
    _print(best, operations)


def _keep_best(best: dict[str, float], figures: dict[str, float]) -> None:
    for key, value in figures.items():
        better = min if key.endswith("_ms") else max
        best[key] = better(best.get(key, value), value)


def _print(best: dict[str, dict[str, float]], operations: dict[str, dict[str, float]]) -> None:
    console = Console(width=140)
    table = Table("", *best)
    for key, (title, form) in _FORMS.items():
        table.add_row(title, *(form.format(figures[key]) for figures in best.values()))
    console.print(table)
    for name, counts in operations.items():
        for step, count in counts.items():
            console.print(f"{name}: {count:.2f} round trips per invocation, {step}")


if __name__ == "__main__":
    main()
