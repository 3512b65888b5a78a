"""Connecting once for all threads that wait for it, so that they share a failure as well."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from pynenc.exceptions import StorageUnavailableError

T = TypeVar("T")


class SharedConnect:
    """Lets one thread at a time connect.

    While an engine is away each try takes until its timeout. Without this, the last of many threads would
    wait for all of these timeouts one after the other.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._failed_at = float("-inf")
        self._failure: StorageUnavailableError | None = None

    def once(self, connect: Callable[[], T]) -> T:
        """Return what `connect` returns, which is called by one thread at a time.

        Args:
            connect: Connects, or returns what another thread has made meanwhile.

        Raises:
            StorageUnavailableError: It raises that, or has done so in another thread since this one waits.
        """
        began = time.monotonic()
        with self._lock:
            if self._failure is not None and self._failed_at >= began:
                raise StorageUnavailableError(str(self._failure)) from self._failure
            try:
                return connect()
            except StorageUnavailableError as error:
                self._failure, self._failed_at = error, time.monotonic()
                raise
