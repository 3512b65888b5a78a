"""Runs every contender and prints a table: `python -m benchmarks.run`.

Each contender runs in a process of its own, one after the other, several times in turn, and
the best of its runs counts: the machine may be busy with other things.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from benchmarks.engines import engine
from benchmarks.measuring import as_table, better, drained, measure_two_workers, submits
from benchmarks.peers import Contender, HueySqlite, Ours, is_installed, scratch

CONTENDERS = ("mem", "sqlite", "redis", "mongo", "mongo-set", "huey-sqlite")


@contextmanager
def made(name: str, folder: str) -> Iterator[Contender]:
    """The contender with a name, and the server that it needs."""
    if name == "huey-sqlite":
        yield HueySqlite(folder)
        return
    with engine(name, Path(folder)) as requests:
        yield Ours(name, folder, requests)


def measure(name: str, count: int) -> dict[str, object]:
    """All measures of one contender, in this process."""
    with scratch() as folder, made(name, folder) as contender:
        figures = {"submit": submits(contender, count)}
        before = contender.done()
        with contender.workers(1):
            figures["drain_1"] = drained(contender, count, before)
        figures.update(measure_two_workers(contender, count))
        return {"name": contender.name, "figures": figures, "operations": contender.operations()}


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=4000, help="invocations per measure")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each contender")
    parser.add_argument("--engines", nargs="+", default=CONTENDERS, help="which to measure")
    parser.add_argument("--only", choices=CONTENDERS, help="measure one, here, and print JSON")
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measure(options.only, options.count)))
        return
    names = [name for name in options.engines if name != "huey-sqlite" or is_installed("huey")]
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
        best[key] = better(key, best.get(key), value)


def _print(best: dict[str, dict[str, float]], operations: dict[str, dict[str, float]]) -> None:
    console = Console(width=140)
    console.print(as_table(best))
    for name, counts in operations.items():
        for step, count in counts.items():
            console.print(f"{name}: {count:.2f} round trips per invocation, {step}")


if __name__ == "__main__":
    main()
