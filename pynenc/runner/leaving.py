"""Leaving a process in time, whatever threads and exit handlers the bodies have left in it."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time

_SECONDS = 3.0


def leave_in_time(code: int = 0) -> None:
    """Let this process end by itself; after some seconds, end it with this exit code.

    Left-over threads, thread pools and exit handlers would otherwise keep a runner from ending.
    """
    threading.Thread(target=_leave, args=(code,), name="pynenc-leaving", daemon=True).start()


def _leave(code: int) -> None:
    time.sleep(_SECONDS)
    with contextlib.suppress(BaseException):
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
