"""Huey's app and its no-op task."""

from __future__ import annotations

import os

from huey import SqliteHuey

huey = SqliteHuey("bench", filename=os.environ["BENCH_HUEY_PATH"])


@huey.task()
def add(x: int, y: int) -> int:
    return x + y
