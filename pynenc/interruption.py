"""Asking a running body to end: by cancelling it, or because its time is over.

The body notices at the next `check`, and wherever it waits for another invocation.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(eq=False, slots=True)
class Interruption:
    """A request to one run of a body to end, with the reason.

    Attributes:
        is_cooperative: Whether waits of coroutines raise the error, too; otherwise their task is
            cancelled.
        is_abandoned: Whether the runner has cancelled the task of the body because it leaves.
    """

    is_cooperative: bool = False
    is_abandoned: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _error: BaseException | None = field(default=None, init=False)
    _wakers: list[Callable[[], None]] = field(default_factory=list, init=False)
    _is_acknowledged: bool = field(default=False, init=False)

    @property
    def is_requested(self) -> bool:
        """True if the body should end."""
        return self._error is not None

    @property
    def error(self) -> BaseException | None:
        """The reason, as the error that `check` raises."""
        return self._error

    def request(self, error: BaseException) -> bool:
        """Ask the body to end; False if it was asked already, and the first reason stays."""
        with self._lock:
            if self._error is not None:
                return False
            self._error = error
            wakers = list(self._wakers)
        for wake in wakers:
            wake()
        return True

    def check(self) -> None:
        """Raise the error if the body was asked to end and has not heard of it."""
        if self._error is not None and not self._is_acknowledged:
            raise self._error

    def acknowledge(self) -> None:
        """Note that the body has heard; from now on it may wait again, to clear up."""
        self._is_acknowledged = True

    @property
    def is_acknowledged(self) -> bool:
        """True if the body was told."""
        return self._is_acknowledged

    @contextmanager
    def waking(self, wake: Callable[[], None]) -> Iterator[None]:
        """Call `wake`, from any thread, once the body is asked to end; at once if it was before."""
        with self._lock:
            self._wakers.append(wake)
            is_late = self._error is not None and not self._is_acknowledged
        try:
            if is_late:
                wake()
            yield
        finally:
            with self._lock:
                self._wakers.remove(wake)


def is_key_press(error: BaseException) -> bool:
    """Return whether an exception may be that of the user's interrupt key: only the main thread gets it."""
    return isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread()


current_interruption: ContextVar[Interruption | None] = ContextVar("pynenc_interruption", default=None)
"""The interruption of the body that runs in this context."""


def is_interrupted() -> bool:
    """Return whether the running body was asked to end: it was cancelled, or its time is over."""
    interruption = current_interruption.get()
    return interruption is not None and interruption.is_requested


def check_interruption() -> None:
    """End the running body here if it was asked to.

    Call it now and then in a long computation. Outside of a body it does nothing.

    Raises:
        InvocationCancelledError: It was cancelled.
        InvocationTimeoutError: Its time is over.
    """
    interruption = current_interruption.get()
    if interruption is not None:
        interruption.check()


def submission_cancelled(accepted: Iterable[str] = ()) -> asyncio.CancelledError:
    """Return what ends the cancelled await of a call or an event, and says what became of that.

    It is a plain `CancelledError`: `asyncio.timeout` knows no other.
    """
    ids = tuple(accepted)
    shown = ", ".join(ids[:10]) + (", …" if len(ids) > 10 else "")
    told = f"but the call was accepted: {shown}" if ids else "and nothing was submitted"
    error = asyncio.CancelledError(f"the await was cancelled, {told}")
    error.accepted = ids  # type: ignore[attr-defined]
    return error
