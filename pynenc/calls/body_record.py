"""The record of an invocation's body, as engines and waiters use it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from pynenc.lifecycle.parking import Parking


class BodyRecord(Protocol):
    """The record of an invocation's body, as engines and waiters use it."""

    first_look_s: float
    """Seconds after which a waiting body checks whether it is to be parked."""

    @property
    def parking(self) -> Parking | None:
        """The body's request to be parked, if it made one."""

    @property
    def has_steps(self) -> bool:
        """True if anything was recorded."""

    @property
    def was_cancelled(self) -> bool:
        """True if the body has been told that it was cancelled, so that what it starts compensates."""

    @property
    def misfit(self) -> Exception | None:
        """The error with which the run ends because its code does not fit the record, if that was seen."""

    def check_complete(self) -> None:
        """Refuse an end that comes before everything that was recorded."""

    def forget_failure(self, error: BaseException) -> None:
        """Drop the operation that raised an error, so that the next run tries it again."""

    def park_for(self, invocation_ids: Sequence[str]) -> None:
        """Park the body if what it waits for is a parked child."""

    def waiting_for(
        self, invocation_ids: Sequence[str], is_coroutine: bool = False
    ) -> AbstractContextManager[object]:
        """Return what to enter while the body waits for other invocations."""
