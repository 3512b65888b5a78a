"""The bodies that run in an engine: who was asked to end, and whose time is over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pynenc.calls.interfaces import App
from pynenc.exceptions import InvocationCancelledError, InvocationTimeoutError, TaskNotFoundError
from pynenc.interruption import Interruption
from pynenc.invocation.claim import Claim


@dataclass(eq=False, slots=True)
class RunningBody:
    """One run of a body.

    Attributes:
        claim: Under which claim it runs.
        interruption: How it is asked to end.
        soft_at: When it is asked to end because of its timeout (monotonic seconds), or None.
        hard_at: When it is ended by force, once it was asked to end.
        began_at: When it began (monotonic seconds).
        has_begun: Whether the body has begun, where that is known once it is lost.
        problem: Why it was lost, in words, if it was.
    """

    claim: Claim
    interruption: Interruption = field(default_factory=Interruption)
    soft_at: float | None = None
    hard_at: float | None = None
    began_at: float = field(default_factory=time.monotonic)
    has_begun: bool = True
    problem: str = ""

    @property
    def invocation_id(self) -> str:
        """The id of the invocation."""
        return self.claim.state.invocation_id


class RunningSet:
    """The bodies that run now. Safe to use from several threads.

    Args:
        grace_s: Returns how long a run may go on after it was asked to end, in seconds.
    """

    def __init__(self, grace_s: Callable[[Claim], float]) -> None:
        self._grace_s = grace_s
        self._lock = threading.Lock()
        self._bodies: dict[tuple[str, int], RunningBody] = {}

    def add(self, claim: Claim) -> RunningBody:
        """Note that a body begins."""
        body = RunningBody(claim)
        if claim.data.timeout is not None:
            body.soft_at = time.monotonic() + claim.data.timeout
        with self._lock:
            self._bodies[claim.state.invocation_id, claim.state.claim] = body
        return body

    def activity(self, slots: int) -> tuple[int, int, float]:
        """Return how many bodies can run, how many do, and for how many seconds the oldest has."""
        with self._lock:
            began = [body.began_at for body in self._bodies.values()]
        return slots, len(began), time.monotonic() - min(began) if began else 0.0

    def remove(self, claim: Claim) -> None:
        """Note that the end of a body was written; the next attempt may have begun here meanwhile."""
        with self._lock:
            self._bodies.pop((claim.state.invocation_id, claim.state.claim), None)

    def claims(self) -> list[Claim]:
        """Return the claims of all that run."""
        with self._lock:
            return [body.claim for body in self._bodies.values()]

    def ids(self) -> list[str]:
        """Return the invocations that run."""
        with self._lock:
            return sorted({body.invocation_id for body in self._bodies.values()})

    def cancel(self, invocation_ids: Sequence[str]) -> None:
        """Ask bodies to end; the root of a workflow may take its time to compensate."""
        with self._lock:
            wanted = set(invocation_ids)
            bodies = [body for body in self._bodies.values() if body.invocation_id in wanted]
        for body in bodies:
            error = InvocationCancelledError(f"invocation {body.invocation_id} was cancelled")
            if body.interruption.request(error) and not body.claim.state.is_workflow:
                body.hard_at = time.monotonic() + self._grace_s(body.claim)

    def expire(self) -> list[RunningBody]:
        """Ask those whose time is over to end; those that did not listen within their grace."""
        now = time.monotonic()
        with self._lock:
            bodies = list(self._bodies.values())
        for body in bodies:
            if body.soft_at is not None and now >= body.soft_at:
                body.soft_at = None
                if body.interruption.request(timed_out(body.claim)):
                    body.hard_at = now + self._grace_s(body.claim)
        return [body for body in bodies if body.hard_at is not None and now >= body.hard_at]

    def next_due_s(self) -> float | None:
        """In how many seconds `expire` has something to do, or None."""
        with self._lock:
            times = [at for body in self._bodies.values() for at in (body.soft_at, body.hard_at) if at]
        return max(0.0, min(times) - time.monotonic()) if times else None


def timed_out(claim: Claim) -> InvocationTimeoutError:
    """Return the error of a run whose time is over."""
    data = claim.data
    return InvocationTimeoutError(
        f"invocation {data.invocation_id} of task {data.task_id} took longer than its timeout of "
        f"{data.timeout} s"
    )


def grace_s(app: App, claim: Claim) -> float:
    """Return how long a run may go on after it was asked to end, in seconds."""
    try:
        return app.find_task(claim.data.task_id).conf.timeout_grace
    except TaskNotFoundError:
        return 0.0  # the run ends at once, with this error
