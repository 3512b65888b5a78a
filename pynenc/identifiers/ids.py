"""Making ids: ordered by time for new things, derived from the cause for what follows."""

from __future__ import annotations

import hashlib
import os
import threading
import time

_lock = threading.Lock()
_last_tick = 0


def monotonic_tick() -> int:
    """Return nanoseconds since the epoch, never the same twice in one process and never falling."""
    global _last_tick
    with _lock:
        tick = time.time_ns()
        if tick <= _last_tick:
            tick = _last_tick + 1
        _last_tick = tick
        return tick


def new_id() -> str:
    """Return a new unique id of 32 hexadecimal digits which sorts by its time of creation.

    The first 64 bits are the time in nanoseconds and the other 64 are random, so ids of one
    process rise strictly and ids of different processes do not collide.
    """
    return f"{monotonic_tick():016x}{os.urandom(8).hex()}"


def derived_id(*cause: str) -> str:
    """Return the id of whatever follows from `cause`: the same cause always gives the same id.

    Returns:
        32 hexadecimal digits, the head of a SHA-256 over the parts with their lengths.
    """
    digest = hashlib.sha256()
    for part in cause:
        data = part.encode()
        digest.update(f"{len(data)}:".encode())
        digest.update(data)
    return digest.hexdigest()[:32]
