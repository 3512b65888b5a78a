"""The app of the chaos tests; its settings come from the environment."""

from __future__ import annotations

import os
import time
from pathlib import Path

from pynenc import Pynenc

app = Pynenc({"app_id": "rabbit-chaos"})


@app.task
def note(folder: str, number: int) -> int:
    """Tell that the body has run, by a file for each run."""
    Path(folder, f"{number}-{os.getpid()}-{time.monotonic_ns()}").touch()
    return number


@app.task(max_retries=1, retry_delay=0.3, retry_for=(ValueError,))
def second_time(number: int) -> int:
    """Fail at the first attempt."""
    if second_time.invocation.num_retries == 0:
        raise ValueError("not yet")
    return number
