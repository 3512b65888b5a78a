"""One listener a process: it hears what others publish, whatever happens to its connection."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable

import redis
from redis.connection import Connection

from pynenc.storage.subscription import Subscription
from pynenc.storage.wakeup import WakeupHub

logger = logging.getLogger("pynenc.storage")

_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.05, 2.0


class Listener:
    """Subscribes to the channels that somebody in this process waits for.

    While its connection is cut it tries again and again; when it is back it listens to the same
    channels and wakes who waits for them, for nobody knows what was published meanwhile.

    Args:
        connect: Makes a connection of its own.
        prefix: What the names of channels begin with on the server.
        patience_s: How long to wait for the server's word that it listens.
    """

    def __init__(self, connect: Callable[[], Connection], prefix: str, patience_s: float) -> None:
        self._connect = connect
        self._prefix = prefix
        self._patience_s = patience_s
        self.hub = WakeupHub()
        self._lock = threading.Lock()
        self._waiters: dict[str, int] = {}
        self._confirmed: dict[str, threading.Event] = {}
        self._unconfirmed: dict[str, int] = {}
        self._missed: set[str] = set()
        self._connection: Connection | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def subscribe(self, channels: Iterable[str], on_wake: Callable[[], None] | None) -> Subscription:
        """Listen; when this returns the server has heard it, or does not answer."""
        subscription = _Listening(self, self.hub.subscribe((), on_wake))
        subscription.add(channels)
        return subscription

    def add(self, channels: Iterable[str]) -> None:
        """Count one more waiter for each of the channels."""
        new: list[str] = []
        with self._lock:
            for channel in channels:
                self._waiters[channel] = self._waiters.get(channel, 0) + 1
                if channel not in self._confirmed:
                    self._confirmed[channel] = threading.Event()
                    new.append(channel)
            expected = [self._confirmed[channel] for channel in channels]
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="pynenc-redis-listener", daemon=True)
                self._thread.start()
            else:
                self._send("SUBSCRIBE", new)
        deadline = time.monotonic() + self._patience_s
        for event in expected:
            # Timed looks take over where the word does not come.
            event.wait(max(0.0, deadline - time.monotonic()))

    def drop(self, channels: Iterable[str]) -> None:
        """Count one waiter less for each of the channels."""
        with self._lock:
            gone: list[str] = []
            for channel in channels:
                self._waiters[channel] -= 1
                if not self._waiters[channel]:
                    del self._waiters[channel], self._confirmed[channel]
                    gone.append(channel)
            self._send("UNSUBSCRIBE", gone)

    def _send(self, command: str, channels: list[str]) -> None:
        """Send, the lock held; if the connection is cut, the listener sends all anew."""
        connection = self._connection
        if connection is None or not channels:
            return
        if command == "SUBSCRIBE":
            for channel in channels:
                self._unconfirmed[channel] = self._unconfirmed.get(channel, 0) + 1
        try:
            connection.send_command(command, *(self._prefix + each for each in channels), check_health=False)
        except (redis.RedisError, OSError):
            logger.debug("the listener's connection is cut", exc_info=True)

    def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._closed:
            try:
                connection = self._connect()
                connection.connect()
                with self._lock:
                    self._connection = connection
                    self._send("SUBSCRIBE", ["", *self._waiters])
                pause_s = _FIRST_PAUSE_S
                while not self._closed:
                    self._hear(connection.read_response(disconnect_on_error=False))
            except (redis.RedisError, OSError) as error:
                if not self._closed:
                    level = logging.WARNING if pause_s == _FIRST_PAUSE_S else logging.DEBUG  # once an outage
                    text = "listening to Redis was cut off (%s); next try in %.2f s"
                    logger.log(level, text, error, pause_s)
            self._forget_connection()
            if not self._closed:
                time.sleep(pause_s)
                pause_s = min(pause_s * 2, _LAST_PAUSE_S)

    def _forget_connection(self) -> None:
        with self._lock:
            connection, self._connection = self._connection, None
            self._unconfirmed.clear()
            self._missed.update(self._waiters)
            for event in self._confirmed.values():
                event.clear()
        if connection is not None:
            connection.disconnect()

    def _hear(self, message: object) -> None:
        if not isinstance(message, list) or len(message) != 3:
            return
        kind, name = message[0], message[1]
        channel = name.decode().removeprefix(self._prefix)
        if kind == b"message":
            self.hub.fire([channel])
        elif kind == b"subscribe":
            with self._lock:
                # The word for a channel that was left and taken up again comes twice.
                waiting = self._unconfirmed.pop(channel, 1) - 1
                if waiting > 0:
                    self._unconfirmed[channel] = waiting
                elif channel in self._confirmed:
                    self._confirmed[channel].set()
                missed = channel in self._missed
                self._missed.discard(channel)
            if missed:
                self.hub.fire([channel])

    def close(self) -> None:
        """Stop listening."""
        self._closed = True
        connection = self._connection
        if connection is not None:
            connection.disconnect()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(self._patience_s)


class _Listening(Subscription):
    """A subscription of this process's hub that the server knows of."""

    def __init__(self, listener: Listener, inner: Subscription) -> None:
        self._listener = listener
        self._inner = inner
        self._channels: set[str] = set()

    def add(self, channels: Iterable[str]) -> None:
        new = set(channels) - self._channels
        self._channels |= new
        self._inner.add(new)
        if new:
            self._listener.add(sorted(new))

    def wait(self, timeout_s: float | None) -> frozenset[str]:
        return self._inner.wait(timeout_s)

    def wake(self) -> None:
        self._inner.wake()

    def close(self) -> None:
        self._inner.close()
        channels, self._channels = self._channels, set()
        if channels:
            self._listener.drop(sorted(channels))
