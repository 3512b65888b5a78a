"""Listening to channels of a storage."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from types import TracebackType


class Subscription(ABC):
    """Listens to channels from the moment it is made until it is closed.

    Subscribe, look at what you wait for, then wait: a notification in between is kept.
    """

    @abstractmethod
    def wait(self, timeout_s: float | None) -> frozenset[str]:
        """Block until a channel is notified.

        Returns:
            The channels notified since the last call; empty when the time is over.
        """

    @abstractmethod
    def add(self, channels: Iterable[str]) -> None:
        """Listen to more channels."""

    @abstractmethod
    def wake(self) -> None:
        """End a wait that is under way, or the next one, as if its time were over."""

    @abstractmethod
    def close(self) -> None:
        """Stop listening."""

    def __enter__(self) -> Subscription:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
