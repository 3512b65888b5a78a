"""Ends of bodies that wait to be written together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from pynenc.lifecycle.execution import Finished

_LINGER_S = 0.01


class FinishBuffer:
    """Holds ends back for a moment, so that several go out in one write.

    Whoever can write takes them. If nobody does within a hundredth of a second, because the next
    body takes longer than it used to, a thread of its own writes them.

    Args:
        write: Writes ends that have waited too long; does not raise.

    Attributes:
        waiting: The ends that are held back.
    """

    def __init__(self, write: Callable[[Sequence[Finished]], None]) -> None:
        self._write = write
        self._changed = threading.Condition()
        self.waiting: list[Finished] = []
        self._since = 0.0
        self._thread: threading.Thread | None = None
        self._closed = False

    def add(self, end: Finished) -> None:
        """Hold one more, because another body begins before anything is written."""
        with self._changed:
            if not self.waiting:
                self._since = time.monotonic()
            self.waiting.append(end)
            if self._closed:
                return
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="pynenc-ends", daemon=True)
                self._thread.start()
            elif len(self.waiting) == 1:
                self._changed.notify()

    def take(self) -> list[Finished]:
        """Return all of them, to be written by the caller."""
        with self._changed:
            taken, self.waiting = self.waiting, []
            return taken

    def put_back(self, ends: Sequence[Finished]) -> None:
        """Return what could not be written."""
        with self._changed:
            self.waiting[:0] = ends

    def close(self) -> None:
        """Write what is left, and hold nothing back any more."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        ends = self.take()
        if ends:
            self._write(ends)

    def _watch(self) -> None:
        while not self._closed:
            with self._changed:
                while not self.waiting and not self._closed:
                    self._changed.wait()
                since = self._since
            # No wait for a signal here: while work flows, one look in each span is all it takes.
            time.sleep(_LINGER_S)
            with self._changed:
                overdue = self.waiting and self._since == since
                ends = self.waiting if overdue else []
                if overdue:
                    self.waiting = []
            if ends:
                self._write(ends)
