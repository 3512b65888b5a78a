"""Waiting for the results of several invocations, in the order of the calls or as they end."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar

from pynenc.calls import habits
from pynenc.calls.habits import AnswersHabits
from pynenc.types import Result


class Settles(Protocol):
    """An invocation, as far as a group waits for it."""

    @property
    def is_settled(self) -> bool:
        """True if the outcome is known here."""

    @property
    def result(self) -> Any:
        """The result; waits for it."""

    @property
    def error(self) -> BaseException | None:
        """The exception that `result` raises, if there is one."""

    def settle_all(self, members: Sequence[Any], timeout_s: float | None) -> Iterator[list[Any]]:
        """Wait for invocations, and give those that have ended, in batches as they do."""

    def settle_all_async(self, members: Sequence[Any], timeout_s: float | None) -> AsyncIterator[list[Any]]:
        """Do the same without blocking the event loop."""


Member = TypeVar("Member", bound=Settles)


class GroupResults(AnswersHabits, Generic[Member, Result]):
    """The results of invocations that were made together.

    Attributes:
        invocations: The invocations, in the order of the calls.
    """

    _habits = habits.GROUP

    def __init__(self, invocations: Sequence[Member]) -> None:
        self.invocations = list(invocations)

    # --- results -------------------------------------------------------------------------

    @property
    def result(self) -> list[Result]:
        """All results in the order of the calls; waits for them.

        Raises:
            Exception: What the first failed invocation, in the order of the calls, raised.
        """
        return self.wait()

    def wait(self, timeout_s: float | None = None) -> list[Result]:
        """Return all results, like `result`.

        Args:
            timeout_s: Longest wait for all of them together, in seconds.

        Raises:
            TimeoutError: Some have not ended in time; nothing is cancelled.
        """
        for _ in self._settled(timeout_s):
            pass
        return [each.result for each in self.invocations]

    async def async_result(self, timeout_s: float | None = None) -> list[Result]:
        """Return all results, like `wait`, without blocking the event loop."""
        async for _ in self._settled_async(timeout_s):
            pass
        return [each.result for each in self.invocations]

    @property
    def results(self) -> Iterator[Result]:
        """The results in the order of the calls, each as soon as it is there.

        Raises:
            Exception: What the task raised, where the iteration comes to that invocation.
        """
        return self._in_order()

    def async_results(self) -> AsyncIterator[Result]:
        """Return the results like `results`, without blocking the event loop."""
        return self._in_order_async()

    def outcomes(self, timeout_s: float | None = None) -> list[Result | BaseException]:
        """Return for each call, in order, its result, or the exception with which it failed.

        Args:
            timeout_s: Longest wait for all of them together, in seconds.

        Raises:
            TimeoutError: Some have not ended in time.
        """
        for _ in self._settled(timeout_s):
            pass
        return self._outcomes()

    async def async_outcomes(self, timeout_s: float | None = None) -> list[Result | BaseException]:
        """Return the outcomes like `outcomes`, without blocking the event loop."""
        async for _ in self._settled_async(timeout_s):
            pass
        return self._outcomes()

    def as_completed(self, timeout_s: float | None = None) -> Iterator[Member]:
        """Return the invocations in the order in which they end.

        Args:
            timeout_s: Longest wait for all of them together, in seconds.

        Raises:
            TimeoutError: Some have not ended in time.
        """
        yield from [each for each in self.invocations if each.is_settled]
        for ended in self._settled(timeout_s):
            yield from ended

    async def async_as_completed(self, timeout_s: float | None = None) -> AsyncIterator[Member]:
        """Return the invocations like `as_completed`, without blocking the event loop."""
        for each in [each for each in self.invocations if each.is_settled]:
            yield each
        async for ended in self._settled_async(timeout_s):
            for each in ended:
                yield each

    # --- inside --------------------------------------------------------------------------

    def _outcomes(self) -> list[Result | BaseException]:
        return [error if (error := each.error) is not None else each.result for each in self.invocations]

    def _settled(self, timeout_s: float | None) -> Iterator[list[Member]]:
        waiting = [each for each in self.invocations if not each.is_settled]
        return waiting[0].settle_all(waiting, timeout_s) if waiting else iter(())

    async def _settled_async(self, timeout_s: float | None) -> AsyncIterator[list[Member]]:
        waiting = [each for each in self.invocations if not each.is_settled]
        if waiting:
            async for ended in waiting[0].settle_all_async(waiting, timeout_s):
                yield ended

    def _in_order(self) -> Iterator[Result]:
        waiting = deque(self.invocations)
        yield from _taken(waiting)
        for _ in self._settled(None):
            yield from _taken(waiting)

    async def _in_order_async(self) -> AsyncIterator[Result]:
        waiting = deque(self.invocations)
        for result in _taken(waiting):
            yield result
        async for _ in self._settled_async(None):
            for result in _taken(waiting):
                yield result


def _taken(waiting: deque[Any]) -> Iterator[Any]:
    """Take the settled ones from the front, and return their results one by one."""
    while waiting and waiting[0].is_settled:
        yield waiting.popleft().result
