"""Our app with workflows; the environment selects the backend."""

from __future__ import annotations

import time

from pynenc import Pynenc

app = Pynenc({"app_id": "bench_workflows"})


@app.task
def child(number: int) -> int:
    return number


@app.workflow
def recorded(count: int) -> float:
    """Seconds to record steps."""
    begun = time.perf_counter()
    for number in range(count):
        recorded.wf.step("step", lambda number=number: number)  # type: ignore[misc]
    return time.perf_counter() - begun


@app.workflow
def replayed(count: int) -> float:
    """Record steps and wait; the seconds that the run after the wait took to come to it again."""
    begun = time.perf_counter()
    for number in range(count):
        replayed.wf.step("step", lambda number=number: number)  # type: ignore[misc]
    replayed.wf.wait_event("go")
    return time.perf_counter() - begun


@app.workflow
def children(count: int) -> float:
    """Seconds to start children one by one and to gather their results."""
    begun = time.perf_counter()
    started = [children.wf.execute_task(child, number) for number in range(count)]
    assert sum(each.result for each in started) == sum(range(count))
    return time.perf_counter() - begun
