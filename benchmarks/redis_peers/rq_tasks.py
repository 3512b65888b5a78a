"""RQ's no-op task."""

import time


def add(x: int, y: int) -> int:
    return x + y


def rest(seconds: float) -> None:
    time.sleep(seconds)
