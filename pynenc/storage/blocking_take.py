"""Taking from queues with a wait: listening first, looking second."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Protocol

from pynenc.identifiers.ids import new_id
from pynenc.storage.operations import Notify, Operation, Push, QueueItem, Taken
from pynenc.storage.subscription import Subscription

FIRST_LOOK_S = 1.0
"""A blocked take looks again by itself after this long, in case a wake-up was lost."""

LAST_LOOK_S = 5.0
"""The looks of a blocked take grow apart up to this long."""

Items = tuple[tuple[str, QueueItem], ...]


def queue_channel(queue: str) -> str:
    """Return the channel that is notified when items enter `queue`."""
    return f"queue:{queue}"


def channels_of(operations: Iterable[Operation]) -> list[str]:
    """Return the channels to notify after some operations were carried out."""
    channels: list[str] = []
    for operation in operations:
        if isinstance(operation, Push):
            channels.append(queue_channel(operation.queue))
        elif isinstance(operation, Notify):
            channels.extend(operation.channels)
    return channels


class TakesAndListens(Protocol):
    """The part of a storage that a blocking take needs."""

    def take(self, queues: Sequence[str], limit: int, lease_s: float, now: float) -> Taken:
        """Take the best items without blocking."""

    def subscribe(self, channels: Iterable[str]) -> Subscription:
        """Listen to channels from now on."""

    def notify(self, channels: Sequence[str]) -> None:
        """Wake everyone who listens to the channels."""

    def now(self) -> float:
        """Return the time of the storage's clock, in seconds since the epoch."""


class BlockingTake:
    """The blocking takes of one storage.

    Who had to wait keeps its subscription for the next wait. Who finds work at once is busy, and
    gives it up, so that it is not told of each further item.
    """

    def __init__(self, storage: TakesAndListens) -> None:
        self._storage = storage
        self._kept: dict[tuple[str, ...], Subscription] = {}
        self._interrupt_channel = queue_channel(f":interrupt:{new_id()}")
        self._interrupts = 0

    def pop(
        self,
        queues: Sequence[str],
        limit: int,
        lease_s: float,
        timeout_s: float | None,
        first_look_s: float | None = None,
    ) -> Items:
        """Take like `Storage.take`, but block until something is ready or the timeout has passed.

        Args:
            queues: Where to look, most important first.
            limit: Most items to take.
            lease_s: Seconds until an unacknowledged item can be taken again.
            timeout_s: Longest wait in seconds, 0 for none, None for no bound.
            first_look_s: When to look without a wake-up for the first time, in case one was lost.
        """
        interrupts = self._interrupts
        channels = (*map(queue_channel, queues), self._interrupt_channel)
        subscription = self._kept.pop(channels, None)
        listened = subscription is not None
        if subscription is not None:
            subscription.wait(0)  # what was heard before this look does not count
        taken = self._storage.take(queues, limit, lease_s, self._storage.now())
        if taken.items or timeout_s == 0:
            if subscription is not None:
                subscription.close()
            return taken.items
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        look = FIRST_LOOK_S if first_look_s is None else first_look_s
        last_look = max(look, LAST_LOOK_S)
        if subscription is None:
            subscription = self._storage.subscribe(channels)
        try:
            while interrupts == self._interrupts:
                if not listened:
                    taken = self._storage.take(queues, limit, lease_s, self._storage.now())
                    if taken.items:
                        break
                listened = False
                pause = self._pause(taken, look, deadline)
                if pause is None:
                    break
                if not subscription.wait(pause):
                    look = min(look * 2, last_look)
        except BaseException:
            subscription.close()
            raise
        if self._kept.setdefault(channels, subscription) is not subscription:
            subscription.close()  # another thread's is kept
        return taken.items

    def _pause(self, taken: Taken, look: float, deadline: float | None) -> float | None:
        """Return how long to wait before the next look; None when the time is over."""
        pause = look
        if taken.next_due is not None:
            pause = min(pause, max(0.0, taken.next_due - self._storage.now()))
        if deadline is not None:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return None
            pause = min(pause, remaining)
        return pause

    def interrupt(self) -> None:
        """Keep the promise of `Storage.interrupt`."""
        self._interrupts += 1
        self._storage.notify([self._interrupt_channel])

    def close(self) -> None:
        """Close what is kept for the next wait."""
        while self._kept:
            _, subscription = self._kept.popitem()
            subscription.close()
