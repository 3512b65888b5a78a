"""The app of the soak: a bit of everything, kept for seconds."""

from __future__ import annotations

from typing import Any

from pynenc import ConcurrencyControlType, Pynenc, RetryError
from pynenc.trigger import on_event

KEPT_S = 5.0

app = Pynenc(
    {
        "app_id": "soak",
        "auto_final_invocation_purge_hours": KEPT_S / 3600,
        "event_retention_days": KEPT_S / 86400,
        "runner_retention_hours": 4 * KEPT_S / 3600,
        "sharing_window_minutes": 1 / 30,
        "workflow_park_after_seconds": 0.0,
        "recovery_interval_seconds": 1.0,
    }
)
MODE = ConcurrencyControlType


@app.task
def add(x: int, y: int) -> int:
    """The plainest."""
    return x + y


@app.task
def measured(data: str, at: int) -> int:
    """A large argument that many share."""
    return len(data) + at


@app.task
def large(at: int) -> str:
    """A large result of its own."""
    return f"{at} " * 1000


@app.task
def failing(at: int) -> None:
    """An end with a traceback."""
    raise ValueError(f"as planned, {at}")


@app.task(max_retries=2)
def retried(at: int) -> int:
    """Two runs."""
    if retried.invocation.num_retries < 1:
        raise RetryError("again")
    return at


@app.task(call_result_cache=True)
def cached(at: int) -> int:
    """An entry in the index of results."""
    return at


@app.task(running_concurrency=MODE.ARGUMENTS, reroute_on_concurrency_control=True)
def alone(at: int) -> int:
    """A slot of its own, and a line before it."""
    return at


@app.task(triggers=on_event("soaked"))
def followed(at: int) -> int:
    """Started by an event."""
    return at


@app.workflow
def workflow(at: int, generation: int = 0) -> Any:
    """Steps, a child, a value, a timer, and another generation."""
    wf = workflow.wf
    wf.step("first", lambda: f"{at} " * 500)
    wf.set_data("at", at)
    found = wf.execute_task(add, at, generation).result
    wf.sleep(0.01)
    if generation < 1:
        wf.continue_as_new(at, generation + 1)
    return found
