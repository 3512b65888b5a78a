"""How fairly runners share, and what a large fan-out costs: `python -m benchmarks.sharing`.

Sharing: tasks of one second on two runners, a runner being a worker process with one slot;
the time from the first start to the last end, over that of perfect sharing.
"""

from __future__ import annotations

import argparse
import time

from benchmarks.peers import Ours, scratch, until


def share(count: int, seconds: float) -> float:
    """The time that two runners took, over half of the work."""
    with scratch() as folder:
        contender = Ours("sqlite", folder)
        with contender.workers(2):
            until(lambda: len(contender.live_runners()) >= 3)
            contender.round_trip()
            begun = time.perf_counter()
            contender.sleep_side_by_side(count, seconds)
            return (time.perf_counter() - begun) / (count * seconds / 2)


def fan_out(count: int) -> tuple[float, float]:
    """Calls a second handed over by one `parallelize`, and results a second gathered from it."""
    with scratch() as folder:
        contender = Ours("sqlite", folder)
        with contender.workers(2):
            contender.round_trip()
            begun = time.perf_counter()
            contender.fan_out(count)
            submitted = time.perf_counter() - begun
            contender.wait_fan_out()
            return count / submitted, count / (time.perf_counter() - begun)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--calls", type=int, default=10_000)
    options = parser.parse_args()
    submitted, gathered = fan_out(options.calls)
    print(f"parallelize of {options.calls:,}: {submitted:,.0f} submitted/s, {gathered:,.0f} gathered/s")
    ratio = share(options.tasks, options.seconds)
    print(f"{options.tasks} tasks of {options.seconds} s on 2 runners: {ratio:.3f} times perfect sharing")


if __name__ == "__main__":
    main()
