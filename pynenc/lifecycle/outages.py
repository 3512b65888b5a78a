"""Telling of a store that does not answer: when that begins, then now and then, and when it is over."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from pynenc.exceptions import StorageUnavailableError
from pynenc.identifiers.texts import traceback_text

TOLD_AGAIN_S = 30.0
"""The seconds between two lines about the same outage."""


class Outages:
    """Tells of outages of the store once for all threads of a process that meet them.

    Args:
        logger: Where to.
        clock: Returns seconds that only rise.
    """

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger, self._clock = logger, clock
        self._began: float | None = None
        self._told_at = 0.0
        self._lock = threading.Lock()

    def tell(self, error: BaseException, what: str, *arguments: object) -> None:
        """Log an error after which something is tried again, with its traceback; an outage is told once.

        Args:
            error: The error.
            what: What could not be done, as the format of a log record.
            arguments: For the format.
        """
        if isinstance(error, StorageUnavailableError):
            self.lost(error)
        else:
            self._logger.error(f"{what}: %s", *arguments, traceback_text(error))

    def lost(self, error: StorageUnavailableError) -> None:
        """Note that the store does not answer."""
        with self._lock:
            now = self._clock()
            is_new = self._began is None
            if is_new:
                self._began = now
            elif now - self._told_at < TOLD_AGAIN_S:
                return
            self._told_at = now
        self._logger.warning("the store does not answer%s: %s", "" if is_new else " yet", error)

    def back(self) -> None:
        """Note that the store answers."""
        if self._began is None:
            return
        with self._lock:
            began, self._began = self._began, None
        if began is not None:
            self._logger.warning("the store answers again, after %.0f s", self._clock() - began)
