"""Restoring what a body has changed in its worker process before the next body runs."""

from __future__ import annotations

import contextlib
import os
import signal


class Surroundings:
    """The working directory and the masks of a worker that runs one body at a time."""

    def __init__(self) -> None:
        self._folder = os.getcwd()
        self._file_mask = os.umask(0o077)
        os.umask(self._file_mask)
        self._signal_mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())

    def restore(self) -> None:
        """Put back what the body that has just ended has changed, as far as it is still there."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self._signal_mask)
        os.umask(self._file_mask)
        try:
            is_same = os.getcwd() == self._folder
        except FileNotFoundError:
            is_same = False
        if not is_same:
            with contextlib.suppress(OSError):
                os.chdir(self._folder)
