"""One listener a process: it hears what others notify, whatever happens to its connection.

Notifications are documents of a small capped collection, which a tailable cursor follows. It waits
in the server, so waiting costs nothing. A change stream would do the same on a replica set, but
only after the majority has the notification in its journal, which takes up to a tenth of a second.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from pymongo import CursorType, MongoClient
from pymongo.collection import Collection
from pymongo.errors import InvalidOperation, PyMongoError

from pynenc.identifiers.ids import new_id
from pynenc.storage.subscription import Subscription
from pynenc.storage.wakeup import WakeupHub, topic_of
from pynenc_mongo.connection import UNCONFIRMED, Document

logger = logging.getLogger("pynenc.storage")

_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.05, 2.0
_SERVER_WAITS_MS = 1000
_AT_ONCE = 500

Connect = Callable[[], tuple[MongoClient[Document], Collection[Document]]]
"""Gives a client of its own, and the notifications seen through it."""


def send(signals: Collection[Document], app: str, channels: Sequence[str]) -> None:
    """Notify, without waiting for an answer."""
    unheard = signals.with_options(write_concern=UNCONFIRMED)
    for start in range(0, len(channels), _AT_ONCE):
        some = list(channels[start : start + _AT_ONCE])
        topics = sorted(set(map(topic_of, some)))
        try:
            unheard.insert_one({"app": app, "topics": topics, "channels": some})
        except PyMongoError:
            logger.debug("a notification could not be sent; timed looks take over", exc_info=True)


Source = Callable[[], Document | None]
"""Gives the next notification, or None when a while has passed without any."""


@contextmanager
def _tail(signals: Collection[Document], app: str, topics: Sequence[str]) -> Iterator[Source]:
    """Notifications from the moment that this is entered, by a tailable cursor.

    The cursor begins with what is old. A mark of our own tells where that ends; it also keeps the
    collection from being empty, where such a cursor would end at once.
    """
    mark = new_id()
    signals.insert_one({"app": mark})
    wanted = {"$or": [{"app": app, "topics": {"$in": topics}}, {"app": mark}]}
    cursor = signals.find(wanted, cursor_type=CursorType.TAILABLE_AWAIT)
    cursor.max_await_time_ms(_SERVER_WAITS_MS)
    with cursor:

        def source() -> Document | None:
            signal = next(cursor, None)
            if signal is None and not cursor.alive:
                raise ConnectionError("the cursor has ended: it fell too far behind")
            return signal

        while (old := source()) is None or old["app"] != mark:
            pass
        yield source


class Listener:
    """Hears the notifications of an app for everybody in this process.

    While its connection is cut it tries again and again; when it is back it wakes everybody, for
    nobody knows what was notified meanwhile. So it does with those who were heard before when further
    topics are wanted.

    Args:
        connect: Gives a client of its own.
        app: Whose notifications.
        patience_s: How long to wait until the server is listened to.
    """

    def __init__(self, connect: Connect, app: str, patience_s: float) -> None:
        self._connect = connect
        self._app = app
        self._patience_s = patience_s
        self.hub = WakeupHub()
        self._changed = threading.Condition()
        self._bell = f"listener:{new_id()}"
        self._wanted = {topic_of(self._bell)}
        self._heard: frozenset[str] = frozenset()
        self._missed: set[str] = set()
        self._signals: Collection[Document] | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def subscribe(self, channels: Iterable[str], on_wake: Callable[[], None] | None) -> Subscription:
        """Listen; when this returns the server is listened to, or does not answer."""
        subscription = _Listening(self, self.hub.subscribe((), on_wake))
        subscription.add(channels)
        return subscription

    def hear(self, channels: Iterable[str]) -> None:
        """Make sure that these channels are heard."""
        topics = set(map(topic_of, channels))
        if topics <= self._heard:
            return
        with self._changed:
            self._wanted |= topics
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="pynenc-mongo-listener", daemon=True)
                self._thread.start()
            self._ring()
            # Timed looks take over where the server does not answer.
            if not self._changed.wait_for(lambda: topics <= self._heard or self._closed, self._patience_s):
                self._missed |= topics

    def _ring(self) -> None:
        """End the wait in the server that is under way."""
        if self._signals is not None:
            send(self._signals, self._app, [self._bell])

    # --- the thread --------------------------------------------------------------------

    def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._closed:
            try:
                client, signals = self._connect()
                with client:
                    while not self._closed:
                        self._listen(signals)
                        pause_s = _FIRST_PAUSE_S
            except (PyMongoError, InvalidOperation, OSError) as error:
                if not self._closed:
                    level = logging.WARNING if pause_s == _FIRST_PAUSE_S else logging.DEBUG  # once an outage
                    text = "listening to MongoDB was cut off (%s); next try in %.2f s"
                    logger.log(level, text, error, pause_s)
            with self._changed:
                self._missed |= self._heard
                self._heard, self._signals = frozenset(), None
                if not self._closed:
                    self._changed.wait_for(lambda: self._closed, pause_s)
            pause_s = min(pause_s * 2, _LAST_PAUSE_S)

    def _listen(self, signals: Collection[Document]) -> None:
        """Hear what is wanted now, until something else is wanted."""
        topics = frozenset(self._wanted)
        with _tail(signals, self._app, sorted(topics)) as source:
            with self._changed:
                missed, self._missed = self._missed | self._heard, set()
                self._heard, self._signals = topics, signals
                self._changed.notify_all()
            self.hub.fire_topics(missed)
            while topics == self._wanted and not self._closed:
                signal = source()
                if signal is not None:
                    self.hub.fire(signal["channels"])

    def close(self) -> None:
        """Stop listening."""
        with self._changed:
            self._closed = True
            self._ring()
            self._changed.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(self._patience_s)


class _Listening(Subscription):
    """A subscription of this process's hub that the listener hears for."""

    def __init__(self, listener: Listener, inner: Subscription) -> None:
        self._listener = listener
        self._inner = inner

    def add(self, channels: Iterable[str]) -> None:
        new = list(channels)
        self._inner.add(new)
        self._listener.hear(new)

    def wait(self, timeout_s: float | None) -> frozenset[str]:
        return self._inner.wait(timeout_s)

    def wake(self) -> None:
        self._inner.wake()

    def close(self) -> None:
        self._inner.close()
