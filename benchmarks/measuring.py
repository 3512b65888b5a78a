"""The measures that every contender goes through."""

from __future__ import annotations

import statistics
import time

from rich.table import Table

from benchmarks.peers import Contender, until

FORMS = {
    "submit": ("single submits/s", "{:,.0f}"),
    "drain_1": ("drained/s, 1 worker", "{:,.0f}"),
    "drain_2": ("drained/s, 2 workers", "{:,.0f}"),
    "gather": ("gathered/s (1,000)", "{:,.0f}"),
    "round_trip_ms": ("round trip, ms", "{:.2f}"),
    "after_kill": ("of 100, ended 15 s after a kill", "{:.0f}"),
}


def as_table(best: dict[str, dict[str, float]]) -> Table:
    """The figures of all contenders, with the measures that each of them went through."""
    table = Table("", *best)
    for key, (title, form) in FORMS.items():
        if all(key in figures for figures in best.values()):
            table.add_row(title, *(form.format(figures[key]) for figures in best.values()))
    return table


def better(key: str, one: float | None, other: float) -> float:
    """The better of two figures."""
    if one is None:
        return other
    return min(one, other) if key.endswith("_ms") else max(one, other)


def submits(contender: Contender, count: int) -> float:
    """Single submits a second, nobody working."""
    begun = time.perf_counter()
    contender.submit(count)
    return count / (time.perf_counter() - begun)


def drained(contender: Contender, count: int, before: int) -> float:
    """Invocations a second, from the first end that is seen to the last."""
    until(lambda: contender.done() > before)
    first = contender.done()
    started = time.perf_counter()
    until(lambda: contender.done() >= before + count)
    return (before + count - first) / (time.perf_counter() - started)


def gathered(contender: Contender) -> float:
    """Results a second of a fan-out of 1,000, with workers that are up."""
    for _ in range(5):
        contender.round_trip()
    begun = time.perf_counter()
    assert contender.gather(1000) == sum(range(1, 1001))
    return 1000 / (time.perf_counter() - begun)


def round_trip_ms(contender: Contender) -> float:
    """Median time from a call to its result, with idle workers."""
    times: list[float] = []
    for _ in range(50):
        begun = time.perf_counter()
        contender.round_trip()
        times.append(time.perf_counter() - begun)
        time.sleep(0.01)  # so that the worker is idle again
    return statistics.median(times) * 1000


def measure_two_workers(contender: Contender, count: int) -> dict[str, float]:
    """Submit with nobody working, then drain, gather and round trips with two worker processes."""
    figures = {"submit": submits(contender, count)}
    before = contender.done()
    with contender.workers(2):
        figures["drain_2"] = drained(contender, count, before)
        figures["gather"] = gathered(contender)
        figures["round_trip_ms"] = round_trip_ms(contender)
    return figures
