"""Our app and its no-op task; the environment selects the backend."""

from __future__ import annotations

import time

from pynenc import Pynenc

app = Pynenc({"app_id": "bench"})


@app.task
def add(x: int, y: int) -> int:
    return x + y


@app.task
def sleep(seconds: float) -> None:
    time.sleep(seconds)


def nothing() -> None:
    """Do nothing; `handles_run` makes a task of it for an app of its own."""
