"""Bodies of the tests' tasks."""

from __future__ import annotations


def add(x: int, y: int) -> int:
    return x + y


def repeat(text: str, times: int) -> str:
    return text * times


def fail() -> None:
    raise ValueError("as asked")


def wait_for_file(path: str) -> str:
    import time
    from pathlib import Path

    while not Path(path).exists():
        time.sleep(0.01)
    return "went"


def follow(x: int, y: int) -> int:
    """What triggers start."""
    return x + y
