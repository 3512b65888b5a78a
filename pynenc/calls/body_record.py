"""The record of an invocation's body, as engines and waiters use it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

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
    def is_replaying(self) -> bool:
        """True while the body repeats what an earlier run has recorded."""

    @property
    def was_cancelled(self) -> bool:
        """True if the body has been told that it was cancelled, so that what it starts compensates."""

    @property
    def misfit(self) -> Exception | None:
        """The error with which the run ends because its code does not fit the record, if that was seen."""

    def left_tasks(self) -> list[asyncio.Task[Any]]:
        """Return the tasks of the event loop that still end when the body has been left to be parked."""

    def check_complete(self) -> None:
        """Refuse an end that comes before everything that was recorded."""

    def forget_failure(self, error: BaseException) -> None:
        """Drop the operation that raised an error, so that the next run tries it again."""

    def park_for(self, invocation_ids: Sequence[str]) -> None:
        """Park the body if what it waits for is a parked child."""

    def child_parking(self, invocation_ids: Sequence[str]) -> Parking | None:
        """Return how to park the body for what it waits for; None if that is not a parked child."""

    def waiting_for(self, invocation_ids: Sequence[str]) -> AbstractContextManager[object]:
        """Return what to enter while the body waits for other invocations."""

    def coroutine_waiting_for(
        self, invocation_ids: Sequence[str]
    ) -> AbstractContextManager[Callable[[Parking | None], None]]:
        """Return what to enter while a coroutine of the body does so.

        It gives what to tell from time to time how the body may be parked for that, or that it has to stay.
        """
