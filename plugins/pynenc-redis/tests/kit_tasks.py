"""Functions that the tests make tasks of."""

from __future__ import annotations

import time
from pathlib import Path


def add(x: int, y: int) -> int:
    """Add two numbers."""
    return x + y


def wait_for_file(path: str) -> str:
    """Return when the file is there."""
    while not Path(path).exists():
        time.sleep(0.005)
    return "went"
