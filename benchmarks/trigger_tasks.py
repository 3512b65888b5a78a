"""Our app with a task that an event starts; the environment selects the backend."""

from __future__ import annotations

import time

from pynenc import Pynenc
from pynenc.trigger import on_event

app = Pynenc({"app_id": "bench_triggers"})


@app.task(triggers=on_event("bench"))
def started_at(number: int) -> float:
    """When its body began, in seconds since the epoch."""
    return time.time()
