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


class IdSeries:
    """Ids that were made together, one after another: from the first and the number follows each.

    Attributes:
        first_id: The first of them, an id like those of `new_id`.
        count: How many have been taken.
    """

    __slots__ = ("_number", "count", "first_id")

    def __init__(self, first_id: str | None = None, count: int = 0) -> None:
        # Half of the range at most, so that adding to it never leaves the 64 bits.
        self.first_id = first_id or f"{monotonic_tick():016x}{int.from_bytes(os.urandom(8)) >> 1:016x}"
        self.count = count
        self._number = int(self.first_id[16:], 16)

    def take(self, count: int) -> list[str]:
        """Return the next ids; they rise."""
        start, head = self._number + self.count, self.first_id[:16]
        self.count += count
        return [f"{head}{number:016x}" for number in range(start, start + count)]

    def id_of(self, number: int) -> str:
        """Return the id with a number, from 0."""
        return f"{self.first_id[:16]}{self._number + number:016x}"

    def __str__(self) -> str:
        return f"{self.first_id}+{self.count}"

    @classmethod
    def parse(cls, text: str) -> IdSeries:
        """Return what `str` has written.

        Raises:
            ValueError: The text is another.
        """
        first_id, _, count = text.partition("+")
        return cls(first_id, int(count))
