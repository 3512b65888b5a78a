"""Waiting for invocations to end: what a client does, and what the body of another invocation does."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

from pynenc.calls.body_record import BodyRecord
from pynenc.calls.interfaces import current_invocation
from pynenc.context import running_runner
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.waiting import Ended, wait_final, wait_final_async
from pynenc.storage.beside_loop import beside_loop

REMIND_AFTER_S = 5.0
"""A wait in which nothing has ended for this long checks whether any runner consumes the queues."""

_LOOKED_AT = 100


class _Patience:
    """The limits of one wait: its deadline, and when to look after it.

    Args:
        components: Whose invocations are waited for.
        timeout_s: Longest wait, in seconds.
        is_coroutine: Whether a coroutine waits; the body around it is parked by other means.
    """

    def __init__(self, components: Components, timeout_s: float | None, is_coroutine: bool = False) -> None:
        self._components = components
        self._timeout_s = timeout_s
        self._deadline = None if timeout_s is None else time.monotonic() + timeout_s
        invocation = current_invocation.get()
        self.body: BodyRecord | None = invocation.body_record if invocation is not None else None
        self._has_warned = False
        self._may_park = self.body is not None and not is_coroutine
        self._remind_s = self.body.first_look_s if self.body is not None else REMIND_AFTER_S
        self.next_s = self._remind_s if timeout_s is None else min(self._remind_s, max(0.0, timeout_s))
        """After how many seconds without an end to call `run_out`."""

    def run_out(self, waiting: Sequence[str]) -> None:
        """Give up, park the waiting body, or warn that no runner is alive.

        Raises:
            TimeoutError: The longest wait is over.
        """
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise TimeoutError(
                f"{len(waiting)} invocation(s) of app '{self._components.app_id}' have not ended in "
                f"{self._timeout_s} s"
            ) from None
        if self.body is not None and self._may_park:
            self.body.park_for(waiting)
        if self._remind_s >= REMIND_AFTER_S and not self._has_warned:
            self._has_warned = _warn_in_vain(self._components, waiting)
        self._remind_s *= 2
        self.next_s = self._remind_s
        if self._deadline is not None:
            self.next_s = min(self._remind_s, max(0.0, self._deadline - time.monotonic()))

    def blocked(self, invocation_ids: Sequence[str]) -> AbstractContextManager[None]:
        """Return what to enter while a wait blocks: inside a runner of the app it gives up the slot."""
        running = running_runner.get()
        if running is None or running.app_id != self._components.app_id:
            return _served(self._components, invocation_ids)
        return _served(self._components, invocation_ids, running.waiting(invocation_ids))


@contextmanager
def _served(
    components: Components,
    invocation_ids: Sequence[str],
    pause: AbstractContextManager[None] | None = None,
) -> Iterator[None]:
    """Have something execute what is waited for, and pause the body that waits, if one does."""
    components.serving.begin(invocation_ids)
    with pause or nullcontext():
        yield


def wait_ended(
    components: Components, invocation_ids: Sequence[str], timeout_s: float | None = None
) -> Iterator[list[Ended]]:
    """Block until invocations end, and give their records in batches as they do.

    If nothing ends for some time and no runner is alive, a warning says so.

    Args:
        components: The components of their app.
        invocation_ids: The ids.
        timeout_s: Longest wait for all of them together, in seconds.

    Raises:
        TimeoutError: Some have not ended in time.
        InvocationNotFoundError: One is not stored.
    """
    patience = _Patience(components, timeout_s)
    waiting = list(invocation_ids)
    while waiting:
        try:
            body = patience.body
            with nullcontext() if body is None else body.waiting_for(waiting):
                for ended in wait_final(components, waiting, patience.next_s, patience.blocked):
                    done = {each.state.invocation_id for each in ended}
                    waiting = [each for each in waiting if each not in done]
                    yield ended
        except TimeoutError:
            patience.run_out(waiting)


async def wait_ended_async(
    components: Components, invocation_ids: Sequence[str], timeout_s: float | None = None
) -> AsyncIterator[list[Ended]]:
    """Do the same without blocking the event loop."""
    patience = _Patience(components, timeout_s, is_coroutine=True)
    waiting = list(invocation_ids)
    body = patience.body
    with nullcontext() if body is None else body.coroutine_waiting_for(waiting) as tell:
        while waiting:
            try:
                async for ended in wait_final_async(components, waiting, patience.next_s, patience.blocked):
                    done = {each.state.invocation_id for each in ended}
                    waiting = [each for each in waiting if each not in done]
                    yield ended
            except TimeoutError:
                await beside_loop(partial(patience.run_out, waiting))
                if body is not None and tell is not None:
                    tell(await beside_loop(partial(body.child_parking, waiting)))


def _warn_in_vain(components: Components, waiting: Sequence[str]) -> bool:
    """Warn if no runner is alive, or none that consumes the queues of what is waited for; whether it did."""
    alive_since = components.orchestrator.now() - components.conf.dead_after_seconds
    if not components.orchestrator.live_runners(alive_since, 1):
        components.logger.warning(
            "waiting for %d invocation(s), but no runner of app '%s' is alive: %s",
            len(waiting),
            components.app_id,
            components.serving.advice(),
        )
        return True
    states = components.orchestrator.read_states(waiting[:_LOOKED_AT])
    blocked = {state.task_id: state for state in states if state is not None and state.blocked_since}
    for task_id, state in blocked.items():
        components.logger.warning(
            "waiting for invocation %s of task %s, which waits for %s; of the live runners, %s knew this "
            "task when they started",
            state.invocation_id,
            task_id,
            state.waits_for or "code that can run it",
            ", ".join(components.runners.knowing(task_id, alive_since)) or "none",
        )
    queues = {state.queue for state in states if state is not None and state.status.is_available}
    unserved = components.runners.unserved(queues, alive_since) if queues else []
    for queue in unserved:
        components.logger.warning(
            "waiting for invocations in queue '%s', which no live runner of app '%s' consumes: %s",
            queue,
            components.app_id,
            components.serving.advice(queue),
        )
    return bool(unserved or blocked)
