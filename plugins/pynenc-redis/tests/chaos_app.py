"""The app of the chaos tests; its settings come from the environment."""

from __future__ import annotations

import os
import time
from pathlib import Path

from pynenc import Pynenc

app = Pynenc({"app_id": "chaos"})


@app.task
def add_slowly(x: int, y: int) -> int:
    time.sleep(0.02)
    return x + y


@app.task
def note(folder: str, number: int) -> int:
    """Tell that the body runs, by a file for each run."""
    Path(folder, f"{number}-{os.getpid()}-{time.monotonic_ns()}").touch()
    time.sleep(0.05)
    return number
