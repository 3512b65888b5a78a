"""Celery's app and its no-op task."""

import os
import time

from celery import Celery

app = Celery("bench", broker=os.environ["BENCH_REDIS"] + "/0", backend=os.environ["BENCH_REDIS"] + "/1")


@app.task
def add(x: int, y: int) -> int:
    return x + y


@app.task
def rest(seconds: float) -> None:
    time.sleep(seconds)
