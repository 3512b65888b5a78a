"""RQ's no-op task."""


def add(x: int, y: int) -> int:
    return x + y
