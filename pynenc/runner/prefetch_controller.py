"""Control of how many invocations a worker claims in one go."""

from __future__ import annotations

_WEIGHT = 0.2
_TOGETHER_S = 0.004
_MOST_TOGETHER = 16


class PrefetchController:
    """Learns how long invocations take, so that a worker claims what it will start soon.

    Args:
        horizon_s: A worker claims no more than it expects to start within this many seconds.
        most: It never claims more than this.
    """

    def __init__(self, horizon_s: float, most: int) -> None:
        self._horizon_s = horizon_s
        self._most = most
        self._average_s: float | None = None
        self._allowed = 1

    def note(self, seconds: float) -> None:
        """Learn from one invocation. Slow ones count at once, quick ones bit by bit."""
        if self._average_s is None or seconds > self._average_s:
            self._average_s = seconds
        else:
            self._average_s += _WEIGHT * (seconds - self._average_s)

    def limit(self) -> int:
        """Return how many to claim now; it grows no faster than by doubling."""
        if self._average_s is None or self._horizon_s == 0:
            return 1
        wanted = int(self._horizon_s / max(self._average_s, 1e-6))
        self._allowed = max(1, min(wanted, self._most, self._allowed * 2))
        return self._allowed

    def starts(self) -> int:
        """Return how many to start in one go: only what is over within milliseconds goes together."""
        if self._average_s is None or self._horizon_s == 0:
            return 1
        return max(1, min(_MOST_TOGETHER, int(_TOGETHER_S / max(self._average_s, 1e-6))))
