"""A shop for the pictures in the manual."""

from __future__ import annotations

import random
import time

from pynenc import Pynenc

app = Pynenc({"app_id": "shop", "logging_level": "critical", "monitor": {"monitor_label": "staging"}})
draw = random.Random(7)


@app.task(tags={"area": "prices"})
def price(item: str) -> float:
    time.sleep(0.002)
    return len(item) * 1.5


@app.task(max_retries=3, retry_for=(ConnectionError,))
def fetch(url: str) -> str:
    if draw.random() < 0.4:
        raise ConnectionError(f"no route to {url}")
    return url


@app.task
def export(rows: int, password: str) -> int:
    raise ValueError(f"{rows} rows are too many")


@app.workflow
def order(item: str) -> str:
    order.wf.step("reserve", lambda: item)
    order.wf.wait_event("paid", timeout=3600)
    return item
