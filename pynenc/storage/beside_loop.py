"""Calls of the storage from coroutines: made in threads, so that the event loop goes on meanwhile."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from pynenc.interruption import submission_cancelled

T = TypeVar("T")
_MOST_THREADS = 32

_lock = threading.Lock()
_executor: ThreadPoolExecutor | None = None


def _forget_executor() -> None:
    """Drop the threads, which a forked process does not have."""
    global _executor, _lock
    _executor, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget_executor)


def _started(act: Callable[[], T]) -> Future[T]:
    """Start a call in a thread, in the context of the caller."""
    global _executor
    with _lock:
        if _executor is None:
            _executor = ThreadPoolExecutor(_MOST_THREADS, "pynenc-storage")
        return _executor.submit(contextvars.copy_context().run, act)


def started_beside_loop(act: Callable[[], T]) -> asyncio.Future[T]:
    """Start a call in a thread; the future is none of the tasks that the end of an event loop cancels."""
    return asyncio.wrap_future(_started(act))


async def beside_loop(act: Callable[[], T]) -> T:
    """Call something that may block in a thread, and return what it returns.

    If the await is cancelled, the call may still be made or go on; what comes of it is dropped.
    """
    return await started_beside_loop(act)


async def submitted_beside_loop(act: Callable[[], T], ids_of: Callable[[T], tuple[str, ...]]) -> T:
    """Call something that submits in a thread, and return what it returns.

    A cancelled await ends as soon as it is known what became of the call.

    Args:
        act: What to call.
        ids_of: Returns the ids of what was accepted.

    Raises:
        asyncio.CancelledError: The await was cancelled; `accepted_ids` says what was accepted.
    """
    future = _started(act)
    beside = asyncio.wrap_future(future)
    cancelled: asyncio.CancelledError | None = None
    while not beside.done():
        try:
            await asyncio.wait([beside])
        except asyncio.CancelledError as error:
            if future.cancel():
                raise submission_cancelled() from error
            cancelled = error
    if cancelled is None:
        return beside.result()
    failure = beside.exception()
    if failure is not None:
        raise submission_cancelled() from failure
    raise submission_cancelled(ids_of(beside.result())) from cancelled
