"""Tasks of the example."""

import time

from pynenc import Pynenc, check_interruption

app = Pynenc({"app_id": "example_cancelling", "runner_cls": "ThreadRunner", "logging_level": "error"})


@app.task
def count(limit: int) -> int:
    """Count slowly; `check_interruption` raises as soon as it is asked to end."""
    for _ in range(limit):
        check_interruption()
        time.sleep(0.01)
    return limit
