"""The server's clock, asked seldom and carried on by the local monotonic one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_ASK_AGAIN_S = 30.0


class EngineClock:
    """Seconds since the epoch by a clock that others share.

    Args:
        ask: Asks that clock; the answer is taken to be from the middle of the call.
    """

    def __init__(self, ask: Callable[[], float]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._offset_s = 0.0
        self._asked_at = float("-inf")

    def now(self) -> float:
        """Return the time; at most once in a while it takes a round trip."""
        if time.monotonic() - self._asked_at > _ASK_AGAIN_S:
            with self._lock:
                if time.monotonic() - self._asked_at > _ASK_AGAIN_S:
                    self._set()
        return time.monotonic() + self._offset_s

    def _set(self) -> None:
        before = time.monotonic()
        answer = self._ask()
        after = time.monotonic()
        self._offset_s = answer - (before + after) / 2
        self._asked_at = after
