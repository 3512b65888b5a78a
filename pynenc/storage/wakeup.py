"""Wake-ups between the threads of one process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable

from pynenc.storage.subscription import Subscription

_NO_TOPIC = "other"


def topic_of(channel: str) -> str:
    """Return the part of a channel before the colon; a waiter for one topic is not woken for others."""
    topic, colon, _ = channel.partition(":")
    return topic if colon and topic.isalnum() else _NO_TOPIC


class WakeupHub:
    """Knows who in this process waits for which channel."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[str, set[HubSubscription]] = {}

    def subscribe(
        self,
        channels: Iterable[str],
        on_wake: Callable[[], None] | None = None,
    ) -> HubSubscription:
        """Start listening."""
        subscription = HubSubscription(self, on_wake)
        subscription.add(channels)
        return subscription

    def fire(self, channels: Iterable[str]) -> None:
        """Wake the listeners of these channels."""
        if not self._listeners:
            return
        woken: set[HubSubscription] = set()
        with self._lock:
            for channel in channels:
                for subscription in self._listeners.get(channel, ()):
                    subscription.fired.add(channel)
                    woken.add(subscription)
        for subscription in woken:
            subscription.wake()

    def fire_all(self) -> None:
        """Wake everybody, for when it is not known what was missed."""
        with self._lock:
            channels = list(self._listeners)
        self.fire(channels)

    def has(self, channel: str) -> bool:
        """Return whether anybody in this process listens to the channel."""
        return channel in self._listeners

    def fire_topics(self, topics: Collection[str]) -> None:
        """Wake everybody who waits for a channel of these topics."""
        with self._lock:
            channels = [channel for channel in self._listeners if topic_of(channel) in topics]
        self.fire(channels)

    def register(self, subscription: HubSubscription, channels: Iterable[str]) -> None:
        """Add channels to what a subscription hears."""
        with self._lock:
            for channel in channels:
                self._listeners.setdefault(channel, set()).add(subscription)

    def remove(self, subscription: HubSubscription, channels: Iterable[str]) -> None:
        """Forget a subscription."""
        with self._lock:
            for channel in channels:
                listeners = self._listeners.get(channel)
                if listeners is not None:
                    listeners.discard(subscription)
                    if not listeners:
                        del self._listeners[channel]

    def collect(self, subscription: HubSubscription) -> frozenset[str]:
        """Return what a subscription has heard since it asked last."""
        with self._lock:
            fired = frozenset(subscription.fired)
            subscription.fired.clear()
            return fired


class HubSubscription(Subscription):
    """A listener in this process."""

    def __init__(
        self,
        hub: WakeupHub,
        on_wake: Callable[[], None] | None,
    ) -> None:
        self.fired: set[str] = set()
        self._hub = hub
        self._on_wake = on_wake
        self._channels: set[str] = set()
        self._event = threading.Event()

    def add(self, channels: Iterable[str]) -> None:
        added = set(channels) - self._channels
        self._channels |= added
        self._hub.register(self, added)

    def wake(self) -> None:
        """Called by the hub after it noted what fired."""
        self._event.set()
        if self._on_wake is not None:
            self._on_wake()

    def wait(self, timeout_s: float | None) -> frozenset[str]:
        self._event.wait(timeout_s)
        self._event.clear()
        return self._hub.collect(self)

    def close(self) -> None:
        self._hub.remove(self, self._channels)
        self._channels = set()
