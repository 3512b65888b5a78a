"""Telling which promise a driver breaks, by which operations, and what to look at."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from pynenc.identifiers.texts import shown

PATIENCE_S = float(os.environ.get("PYNENC_KIT_PATIENCE", "15"))
"""The longest that a test of the kit waits for a driver, in seconds."""


def check(holds: bool, promise: str, done: str, found: object, look: str) -> None:
    """Fail unless a promise holds.

    Args:
        holds: Whether it does.
        promise: The promise, as a sentence.
        done: The operations that were carried out, in order.
        found: What the driver gave.
        look: Where its author should look.

    Raises:
        AssertionError: It does not; the message tells all of it.
    """
    if not holds:
        raise AssertionError(
            f"broken promise: {promise}\n  done:    {done}\n  found:   {shown(found, 300)}\n  look at: {look}"
        )


def ends(thread: threading.Thread, promise: str, done: str, look: str, free: Callable[[], object]) -> None:
    """Wait for a thread that blocks in a driver, and fail if it goes on to.

    Args:
        thread: The thread.
        promise: Why it ends.
        done: The operations that should have ended it.
        look: Where the author of the driver should look.
        free: Ends it by other means, so that nothing of the test is left behind.

    Raises:
        AssertionError: It still blocks.
    """
    thread.join(PATIENCE_S)
    is_stuck = thread.is_alive()
    if is_stuck:
        free()
        thread.join(PATIENCE_S)
    check(not is_stuck, promise, done, f"it still blocks after {PATIENCE_S:g} s", look)
