"""Wake-ups between processes of one machine, through named pipes in a folder.

Each process that waits reads a pipe of its own in the folder; who notifies writes to every
other pipe there. What stands before the colon of a channel's name is its topic, and each topic
has a folder of its own, so that nobody is disturbed by what cannot concern him.

A message is the eight-byte digest of a channel, so writes stay below the size that the system
keeps atomic and a collision costs no more than a look in vain. A pipe is read only while
somebody waits. A full pipe means that its reader has that much to read: it then wakes all its
waiters, so nothing is lost by not writing.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import secrets
import select
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pynenc.storage.subscription import Subscription
from pynenc.storage.wakeup import WakeupHub, topic_of

logger = logging.getLogger("pynenc.storage")

_WORD = 8
_MESSAGE = 512  # the smallest size that POSIX lets a system keep atomic
_READ = 65536
_OVERFLOW = 4096
_SETTLED_NS = 100_000_000


def _word(channel: str) -> bytes:
    return hashlib.blake2b(channel.encode(), digest_size=_WORD).digest()


class FifoWakeups:
    """The wake-ups of one process in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hub = WakeupHub()
        self._lock = threading.Lock()
        self._topics: dict[str, _Topic] = {}

    def notify(self, channels: Iterable[str]) -> None:
        """Wake the waiters of this process and of the others."""
        wanted = list(channels)
        self.hub.fire(wanted)
        for topic, words in _by_topic(wanted).items():
            self.topic(topic).send(words)

    def subscribe(self, channels: Iterable[str], on_wake: Callable[[], None] | None) -> Subscription:
        """Listen to channels; other processes reach this one from now on."""
        subscription = _NamedSubscription(self, self.hub.subscribe((), on_wake))
        subscription.add(channels)
        return subscription

    def topic(self, name: str) -> _Topic:
        """Return the pipes of a topic."""
        with self._lock:
            if name not in self._topics:
                self._topics[name] = _Topic(self.folder / name, self.hub)
            return self._topics[name]

    def close(self) -> None:
        """Stop listening and remove the pipes."""
        with self._lock:
            topics, self._topics = list(self._topics.values()), {}
        for topic in topics:
            topic.close()


def _by_topic(channels: Iterable[str]) -> dict[str, list[str]]:
    topics: dict[str, list[str]] = {}
    for channel in channels:
        topics.setdefault(topic_of(channel), []).append(channel)
    return topics


class _Topic:
    """The pipe of this process for one topic, and those of the others."""

    def __init__(self, folder: Path, hub: WakeupHub) -> None:
        self.folder = folder
        self.hub = hub
        self._peers = _Peers(folder)
        self._lock = threading.Condition()
        self._names: dict[bytes, str] = {}
        self._waiting = 0
        self._pipe: int | None = None
        self._path: Path | None = None
        self._broken = False

    def send(self, channels: Sequence[str]) -> None:
        """Tell the other processes."""
        message = b"".join(map(_word, channels))
        for start in range(0, len(message), _MESSAGE):
            self._peers.send(message[start : start + _MESSAGE], self._path)

    def join(self) -> None:
        """Begin to listen for one more waiter."""
        with self._lock:
            if self._pipe is None and not self._broken:
                self._open()
            self._waiting += 1
            self._lock.notify_all()

    def leave(self) -> None:
        """Count one waiter less."""
        with self._lock:
            self._waiting -= 1

    def name(self, channels: Iterable[str]) -> None:
        """Remember which channels the digests stand for."""
        with self._lock:
            for channel in channels:
                self._names[_word(channel)] = channel

    def forget(self, channels: Iterable[str]) -> None:
        """Drop names that nobody here waits for any more."""
        with self._lock:
            for channel in channels:
                if not self.hub.has(channel):
                    self._names.pop(_word(channel), None)

    def _open(self) -> None:
        try:
            self.folder.parent.mkdir(mode=0o700, exist_ok=True)
            self.folder.mkdir(mode=0o700, exist_ok=True)
            name = f"{os.getpid()}-{secrets.token_hex(4)}"
            hidden, path = self.folder / f"{name}.new", self.folder / f"{name}.fifo"
            os.mkfifo(hidden, 0o600)
            # Reading and writing, so that the pipe never reports an end between two writers.
            self._pipe = os.open(hidden, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            hidden.rename(path)
            self._path = path
        except OSError as error:
            self._broken = True
            logger.warning(
                "no wake-ups between processes in %s (%s): waiting falls back to timed looks",
                self.folder,
                error,
            )
            return
        thread = threading.Thread(target=self._listen, args=(self._pipe,), name="pynenc-wakeup", daemon=True)
        thread.start()

    def _listen(self, pipe: int) -> None:
        poller = select.poll()
        poller.register(pipe, select.POLLIN)
        while True:
            with self._lock:
                while self._waiting == 0 and self._pipe == pipe:
                    self._lock.wait()
                if self._pipe != pipe:
                    os.close(pipe)
                    return
            poller.poll()
            data = self._drain(pipe)
            if len(data) >= _OVERFLOW:
                self.hub.fire_all()
                continue
            words = {data[start : start + _WORD] for start in range(0, len(data), _WORD)}
            with self._lock:
                fired = [self._names[word] for word in words if word in self._names]
            if fired:
                self.hub.fire(fired)

    @staticmethod
    def _drain(pipe: int) -> bytes:
        data = b""
        with contextlib.suppress(BlockingIOError):
            while len(data) < 2 * _READ:
                data += os.read(pipe, _READ)
        return data

    def close(self) -> None:
        """Stop listening and remove the pipe."""
        with self._lock:
            pipe, path = self._pipe, self._path
            self._pipe = self._path = None
            self._lock.notify_all()
        self._peers.close()
        if pipe is not None:
            with contextlib.suppress(OSError):
                os.write(pipe, b"\0" * _WORD)  # the listener may be blocked in poll
        if path is not None:
            path.unlink(missing_ok=True)


class _NamedSubscription(Subscription):
    """A hub subscription whose channels are also known by their digests."""

    def __init__(self, wakeups: FifoWakeups, inner: Subscription) -> None:
        self._wakeups = wakeups
        self._inner = inner
        self._joined: dict[_Topic, set[str]] = {}

    def add(self, channels: Iterable[str]) -> None:
        added = set(channels)
        for name, own in _by_topic(added).items():
            topic = self._wakeups.topic(name)
            if topic not in self._joined:
                self._joined[topic] = set()
                topic.join()
            self._joined[topic].update(own)
            topic.name(own)
        self._inner.add(added)

    def wait(self, timeout_s: float | None) -> frozenset[str]:
        return self._inner.wait(timeout_s)

    def wake(self) -> None:
        self._inner.wake()

    def close(self) -> None:
        self._inner.close()
        joined, self._joined = self._joined, {}
        for topic, channels in joined.items():
            topic.leave()
            topic.forget(channels)


class _Peers:
    """Open ends of the other processes' pipes, kept in step with the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._pipes: dict[str, int] = {}
        self._seen_ns = -1

    def send(self, message: bytes, own: Path | None) -> None:
        with self._lock:
            self._refresh(own.name if own else None)
            for name, pipe in list(self._pipes.items()):
                try:
                    os.write(pipe, message)
                except BlockingIOError:
                    continue  # full: the reader will wake everybody
                except OSError:
                    self._drop(name)

    def _refresh(self, own: str | None) -> None:
        try:
            changed_ns = os.stat(self._folder).st_mtime_ns
        except OSError:
            return
        if changed_ns == self._seen_ns:
            return
        names = {name for name in os.listdir(self._folder) if name.endswith(".fifo") and name != own}
        for name in self._pipes.keys() - names:
            os.close(self._pipes.pop(name))
        for name in names - self._pipes.keys():
            self._connect(name)
        # Two changes within one tick of the file system's clock look like one, so a folder
        # that has just changed is listed again next time.
        if time.time_ns() - changed_ns > _SETTLED_NS:
            self._seen_ns = changed_ns

    def _connect(self, name: str) -> None:
        path = self._folder / name
        try:
            self._pipes[name] = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno == errno.ENXIO:  # its process is gone
                path.unlink(missing_ok=True)

    def _drop(self, name: str) -> None:
        os.close(self._pipes.pop(name))
        (self._folder / name).unlink(missing_ok=True)

    def close(self) -> None:
        with self._lock:
            for pipe in self._pipes.values():
                os.close(pipe)
            self._pipes.clear()
            self._seen_ns = -1
