"""Huey's app and its no-op task."""

import os
import time

from huey import RedisHuey

huey = RedisHuey("bench", url=os.environ["BENCH_REDIS"] + "/0")


@huey.task()
def add(x: int, y: int) -> int:
    return x + y


@huey.task()
def rest(seconds: float) -> bool:
    time.sleep(seconds)
    return True
