"""What recording and replaying costs: `python -m benchmarks.workflows_run`.

One runner with two threads in a process of its own. Steps do nothing, so this is the price of the
record. A replay is timed from the first line of the body to the place where it had waited.
"""

from __future__ import annotations

import importlib
import time
from pathlib import Path

from benchmarks.engines import engine, measure_each, our_runner, select
from benchmarks.peers import scratch, until


def measure(name: str, steps: int, parked: int) -> dict[str, float]:
    """All measures on one engine, in this process."""
    with scratch() as folder, engine(name, Path(folder)):
        select(name, Path(folder))
        tasks = importlib.import_module("benchmarks.workflow_tasks")
        with our_runner("benchmarks.workflow_tasks"):
            recorded = tasks.recorded(steps).result
            children = tasks.children(steps // 10).result
            call = tasks.replayed(steps)
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
        return {
            "steps a second": steps / recorded,
            "children started and gathered a second": steps / 10 / children,
            "replay of 1,000 steps, ms": replay / steps * 1_000_000,
            f"of {parked} parked, woken and ended a second": woken,
        }


def _is_parked(app: object, invocation_id: str) -> bool:
    (state,) = app.orchestrator.read_states([invocation_id])  # type: ignore[attr-defined]
    return state is not None and state.is_parked


def main() -> None:
    """Entry point."""
    counts = {"steps": 10_000, "parked": 1000}
    measure_each("benchmarks.workflows_run", __doc__, counts, measure)


if __name__ == "__main__":
    main()
