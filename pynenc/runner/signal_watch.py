"""Acting on signals in a thread, whatever the main thread is doing.

Python runs a signal's handler in the main thread, and only when that thread gets to it: one
that has just begun to wait for a lock sleeps on. The byte that the interpreter writes to its
wake-up descriptor comes at once, so a thread reads it and acts.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)
_FAREWELL = 0  # the number of no signal
_active: list[SignalWatch] = []


def _nothing(number: int, frame: FrameType | None) -> None:
    """The reader of the wake-up descriptor acts."""


class SignalWatch:
    """Calls `act` once for each signal that arrives, in a thread of its own.

    A child that the process forks gets the handlers back that were there before. To be entered
    in the main thread; elsewhere it does nothing, for only the main thread may set handlers.

    Args:
        act: What to do.
        numbers: The signals.
    """

    def __init__(self, act: Callable[[], None], numbers: tuple[signal.Signals, ...] = SIGNALS) -> None:
        self._act = act
        self._numbers = numbers
        self._before: list[Any] = []
        self._pipe: tuple[int, int] | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> SignalWatch:
        if threading.current_thread() is threading.main_thread():
            self._pipe = reader, writer = os.pipe()
            os.set_blocking(writer, False)
            self._fd_before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
            self._before = [signal.signal(number, _nothing) for number in self._numbers]
            self._thread = threading.Thread(
                target=self._read, args=(reader,), name="pynenc-signals", daemon=True
            )
            self._thread.start()
            _active.append(self)
        return self

    def _read(self, reader: int) -> None:
        while True:
            for number in os.read(reader, 64):
                if number == _FAREWELL:
                    return
                if number in self._numbers:
                    self._act()

    def restore(self) -> None:
        """Put the handlers back that were there before."""
        signal.set_wakeup_fd(self._fd_before)
        for number, handler in zip(self._numbers, self._before, strict=True):
            signal.signal(number, handler)

    def __exit__(self, *exc_info: object) -> None:
        if self._pipe is None or self._thread is None:
            return
        _active.remove(self)
        self.restore()
        reader, writer = self._pipe
        # Not by closing it: what a body has forked may keep the other end open.
        os.write(writer, bytes([_FAREWELL]))
        self._thread.join()
        os.close(writer)
        os.close(reader)
        self._pipe = None


def _after_fork_in_child() -> None:
    while _active:
        _active.pop().restore()


os.register_at_fork(after_in_child=_after_fork_in_child)
