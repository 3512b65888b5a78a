"""The app of `RunnerSuite`, which copies this file to a folder of its own; its settings come from outside."""

from __future__ import annotations

import os
import time
from pathlib import Path

from pynenc.app import Pynenc
from pynenc.context import get_current_runner
from pynenc.interruption import check_interruption
from pynenc.trigger import on_event

PATIENCE_S = 60.0
app = Pynenc()


@app.task
def add(x: int, y: int) -> int:
    """Add."""
    return x + y


@app.task
async def add_async(x: int, y: int) -> int:
    """Add as a coroutine."""
    return x + y


@app.task
def fibonacci(n: int) -> int:
    """Wait for two others, and those for two others."""
    if n < 2:
        return n
    return int(sum(fibonacci.parallelize([(n - 1,), (n - 2,)]).results))


@app.task
def fail(message: str) -> None:
    """Fail."""
    raise ValueError(message)


@app.task
def leave(how: str) -> None:
    """Raise what ends programs."""
    raise {"exit": SystemExit(3), "interrupt": KeyboardInterrupt(), "generator": GeneratorExit()}[how]


@app.task
def meet(folder: str, name: str, other: str) -> str:
    """Wait until another body runs at the same time."""
    Path(folder, name).touch()
    end = time.monotonic() + PATIENCE_S
    while not Path(folder, other).exists():
        if time.monotonic() > end:
            raise TimeoutError(f"{other} has not begun while {name} runs")
        time.sleep(0.005)
    return other


@app.task
def hold(folder: str, name: str) -> str:
    """Run until a file says that it may end, and listen to whoever asks it to end."""
    Path(folder, f"{name}-began-{time.monotonic_ns()}").touch()
    end = time.monotonic() + PATIENCE_S
    while not Path(folder, f"{name}-may-end").exists():
        check_interruption()
        if time.monotonic() > end:
            raise TimeoutError(f"{name} was not told to end")
        time.sleep(0.005)
    return name


@app.task(timeout=0.3, timeout_grace=0.3)
def overtime(listens: bool) -> None:
    """Take longer than allowed."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if listens:
            check_interruption()
        time.sleep(0.005)


@app.task
def who() -> tuple[str, int]:
    """Return who runs this."""
    return get_current_runner().runner_id, os.getpid()


@app.task(max_retries=2, retry_delay=0.05, retry_for=(ValueError,))
def third_time() -> int:
    """Fail twice."""
    if third_time.invocation.num_retries < 2:
        raise ValueError("not yet")
    return third_time.invocation.num_retries


@app.task
def sleepy(seconds: float) -> str:
    """Be parked for a while."""
    sleepy.wf.sleep(seconds)
    return "awake"


@app.task
def report(total: int) -> int:
    """Tell how far it has come."""
    report.invocation.progress(total, total, "all")
    return total


@app.task
def speak(text: str) -> int:
    """Print a lot."""
    for _ in range(20):
        print(text)
    return len(text)


@app.task(triggers=on_event("kit-runner-event"))
def started_by_event() -> str:
    """Be started by a trigger."""
    return "started"
