"""Trying again while the storage does not answer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from pynenc.exceptions import StorageUnavailableError

T = TypeVar("T")
FIRST_PAUSE_S, LAST_PAUSE_S = 0.1, 5.0


def pauses() -> Iterator[float]:
    """Return how long to wait before each new try, in seconds: doubling, up to a bound."""
    pause_s = FIRST_PAUSE_S
    while True:
        yield pause_s
        pause_s = min(pause_s * 2, LAST_PAUSE_S)


def retry_while_unavailable(logger: logging.Logger, act: Callable[[], T]) -> T:
    """Call `act` until it succeeds, pausing between tries while the storage is unavailable.

    Any other error is raised at once.
    """
    for pause_s in pauses():
        try:
            return act()
        except StorageUnavailableError as error:
            logger.warning("%s; next try in %.1f s", error, pause_s)
            time.sleep(pause_s)
    raise AssertionError("pauses have no end")


async def retry_while_unavailable_async(logger: logging.Logger, act: Callable[[], T]) -> T:
    """Do the same as `retry_while_unavailable` without blocking the event loop between two tries."""
    for pause_s in pauses():
        try:
            return act()
        except StorageUnavailableError as error:
            logger.warning("%s; next try in %.1f s", error, pause_s)
            await asyncio.sleep(pause_s)
    raise AssertionError("pauses have no end")
