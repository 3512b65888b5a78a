"""Reporting progress from a body, and reading it from anywhere."""

from __future__ import annotations

import time
from typing import overload

from pynenc.exceptions import InvocationError
from pynenc.invocation.progress import Progress, new_progress
from pynenc.storage.beside_loop import beside_loop


class ReportsProgress:
    """A handle on an invocation, whose body reports how far it has come."""

    __slots__ = ()

    @overload
    def progress(self) -> Progress | None: ...

    @overload
    def progress(self, done: float, total: float | None = None, message: str | None = None) -> Progress: ...

    def progress(
        self, done: float | None = None, total: float | None = None, message: str | None = None
    ) -> Progress | None:
        """Return how far the body has come, or report it from inside of the body.

        A report costs the body next to nothing and never blocks it: the latest is stored within half a
        second, and with the end of the body at the latest. Those in between may never be seen.

        Args:
            done: The work that is done, in any unit. Without it, the latest report is read.
            total: All of it, in the same unit, if that is known.
            message: What is being done; cut at 500 characters. Whoever may see the invocation sees it.

        Returns:
            The latest report; None if the body, or its latest attempt, has not reported anything.

        Raises:
            InvocationError: It is reported from outside of the body.
            TypeError: A value has the wrong type.
            ValueError: A number is negative, infinite or not a number.
        """
        if done is None:
            if total is not None or message is not None:
                raise TypeError("a progress report needs 'done', the work that is done")
            return self._latest_progress()
        report = new_progress(done, total, message, time.time())
        self._report(report)
        return report

    async def aprogress(self) -> Progress | None:
        """Return how far the body has come like `progress`, without blocking the event loop."""
        return await beside_loop(self._latest_progress)

    def _latest_progress(self) -> Progress | None:
        """Return the latest report."""
        raise NotImplementedError

    def _report(self, report: Progress) -> None:
        """Keep a report, or refuse it because the body does not run here."""
        raise NotImplementedError


def outside_of_body(invocation_id: str) -> InvocationError:
    """Return the error for a report that does not come from the body."""
    return InvocationError(
        f"the progress of invocation {invocation_id} is reported by its own body only, while it runs: call "
        f"'task.invocation.progress(done, total, message)' there"
    )
