"""A runner without threads: it runs what is due when a test says so, and what bodies wait for at once."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pynenc.app import Pynenc
from pynenc.context import RunnerContext
from pynenc.interruption import Interruption
from pynenc.invocation.claim import Claim
from pynenc.lifecycle.claiming import claim
from pynenc.lifecycle.execution import finish_and_start
from pynenc.runner.invoking import current_claim, invoke
from pynenc.runner.pausing import paused
from pynenc.runner.running_set import timed_out
from pynenc.testing.crash_scenarios import QUEUES


class InlineRunner:
    """Runs invocations in the thread of the test.

    Args:
        app: Whose invocations.
        runner_id: Under which id they are claimed.

    Attributes:
        ran: How many bodies ran, those included that others waited for.
    """

    def __init__(self, app: Pynenc, runner_id: str = "r1") -> None:
        self._app = app
        self._identity = RunnerContext("InlineRunner", runner_id)
        self.ran = 0

    @property
    def app_id(self) -> str:
        """The id of the app whose invocations it runs."""
        return self._app.app_id

    def run_due(self, limit: int = sys.maxsize) -> int:
        """Run what is queued and due, so many bodies at most; how many ran."""
        ran = 0
        # One at a time: a body must not wait for one that this thread has claimed and not begun.
        while ran < limit and (claims := self._claim()):
            for each in claims:
                ran += self._run(each)
        return ran

    def _claim(self) -> list[Claim]:
        queues = list(dict.fromkeys([*QUEUES, *self._app.broker.queues()]))
        return claim(self._app.components, self._identity.runner_id, queues, 1, 0)

    def _run(self, claimed: Claim) -> int:
        runner_id = self._identity.runner_id
        started = finish_and_start(self._app.components, runner_id, [], [claimed]).started
        for each in started:
            interruption = Interruption()
            with _time_limit(each, interruption):
                finished = invoke(self._app, each, self, self._identity, interruption)
            finish_and_start(self._app.components, runner_id, [finished], [])
        self.ran += len(started)
        return len(started)

    @contextmanager
    def waiting(self, invocation_ids: Sequence[str]) -> Iterator[None]:
        """Run what a body waits for, and all else that is due."""
        running = current_claim.get()
        if running is None:
            raise RuntimeError("only for bodies")
        with paused(self._app.components, running, self._identity.runner_id, invocation_ids) as awaited:
            for each in awaited:
                self._run(each)
            self.run_due()
            yield


@contextmanager
def _time_limit(claimed: Claim, interruption: Interruption) -> Iterator[None]:
    """Ask a body to end when its time is over, by the clock of the machine."""
    limit_s = claimed.data.timeout
    if limit_s is None:
        yield
        return
    timer = threading.Timer(limit_s, lambda: interruption.request(timed_out(claimed)))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
