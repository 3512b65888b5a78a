"""What a call and its result cost the caller, in memory, beside the bare dictionary that it must reach.

Run as `python -m benchmarks.handles_run`.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from benchmarks import noop_tasks
from pynenc import Pynenc
from pynenc.testing.inline_runner import InlineRunner

_COUNT = 2000
_ROUNDS = 5


def _micros(act: Callable[[int], object]) -> float:
    """Microseconds for one call of `act`, the median of some rounds."""
    rounds: list[float] = []
    for number in range(_ROUNDS):
        begun = time.perf_counter()
        for at in range(_COUNT):
            act(number * _COUNT + at)
        rounds.append((time.perf_counter() - begun) / _COUNT * 1e6)
    return statistics.median(rounds)


def main() -> None:
    """Measure and print."""
    app = Pynenc({"app_id": "bench-handles", "runner_cls": "ThreadRunner", "logging_level": "error"})
    task = app.task(noop_tasks.nothing)
    calls = []
    submit = _micros(lambda number: calls.append(task()))
    runner = InlineRunner(app)
    while runner.run_due():
        pass
    result = _micros(lambda number: calls[number].result)
    known: dict[int, object] = {}
    floor = _micros(lambda number: known.setdefault(number, calls[number]))
    print(f"submit one call               {submit:8.1f} µs")
    print(f"result of what has ended      {result:8.1f} µs")
    print(f"a dictionary, for comparison  {floor:8.1f} µs")


if __name__ == "__main__":
    main()
