"""Waiting for the end of invocations, and reading what came of them.

A waiter listens first and looks second, so no end slips through between the two. Timed looks
with growing intervals are the fallback for a wake-up that was lost.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from functools import partial
from typing import Any

import msgspec

from pynenc.exceptions import (
    ConcurrencyControlledError,
    InvocationCancelledError,
    InvocationError,
    InvocationNotFoundError,
    StorageUnavailableError,
)
from pynenc.interruption import Interruption, current_interruption
from pynenc.invocation.data import OutcomeData
from pynenc.invocation.state import InvocationState, outcome_id
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.components import Components
from pynenc.state_backend.base_state_backend import OUTCOME
from pynenc.storage.beside_loop import beside_loop, started_beside_loop
from pynenc.storage.group import Group
from pynenc.storage.records import why_unreadable
from pynenc.storage.subscription import Subscription

_MANY, _GATHER_S = 32, 0.005
LAST_LOOK_S = 5.0
"""Timed looks grow apart up to this long."""


class Ended(msgspec.Struct, frozen=True):
    """An invocation that has ended.

    Attributes:
        state: Its record, which is final.
        outcome: What came of it, if that was read along with the record.
    """

    state: InvocationState
    outcome: OutcomeData | None = None


def read_states(components: Components, invocation_ids: Sequence[str]) -> list[InvocationState]:
    """Return the records of invocations, in order.

    Raises:
        InvocationNotFoundError: There is no record for one of them.
    """
    return _all_known(invocation_ids, components.orchestrator.read_states(invocation_ids))


def _all_known(
    invocation_ids: Sequence[str], states: Sequence[InvocationState | None]
) -> list[InvocationState]:
    for invocation_id, state in zip(invocation_ids, states, strict=True):
        if state is None:
            raise InvocationNotFoundError(invocation_id)
    return [state for state in states if state is not None]


def _final_among(components: Components, invocation_ids: Collection[str]) -> list[Ended]:
    """Return those that have ended.

    Of a few the outcome of their first claim is read along: it is nearly always the one that
    counts, and it saves a round trip.
    """
    ids = sorted(invocation_ids)
    if len(ids) > _MANY:
        return [Ended(state) for state in read_states(components, ids) if state.status.final]
    group = Group()
    states = components.orchestrator.stage_read_states(group, ids)
    keys = [outcome_id(each, 1) for each in ids]
    outcomes = components.state_backend.stage_read(group, OutcomeData, keys)
    group.send()
    ended: list[Ended] = []
    for invocation_id, state, outcome in zip(ids, states.get(), outcomes.get(), strict=True):
        if state is None:
            raise InvocationNotFoundError(invocation_id)
        if state.status.final:
            ended.append(Ended(state, outcome))
    return ended


Blocked = Callable[[Sequence[str]], AbstractContextManager[None]]
"""Is entered while a waiter really blocks, with what it waits for."""


def _not_noted(invocation_ids: Sequence[str]) -> AbstractContextManager[None]:
    return nullcontext()


def wait_final(
    components: Components,
    invocation_ids: Sequence[str],
    timeout_s: float | None = None,
    blocked: Blocked = _not_noted,
) -> Iterator[list[Ended]]:
    """Block until invocations end, and give their records in batches as they do.

    Args:
        components: The components.
        invocation_ids: What to wait for.
        timeout_s: Longest wait for all of them, in seconds.
        blocked: Entered while it blocks, and left before anything is given.

    Raises:
        TimeoutError: Some have not ended in time.
        InvocationNotFoundError: One is not known.
        InvocationCancelledError: The body that waits was cancelled.
        InvocationTimeoutError: The time of the body that waits is over.
    """
    waiting = set(invocation_ids)
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    with components.orchestrator.subscribe(waiting) as subscription:
        final = _final_among(components, waiting)
        while True:
            waiting.difference_update(each.state.invocation_id for each in final)
            if final:
                yield final
            if not waiting:
                return
            interruption = current_interruption.get() or Interruption()
            with blocked(sorted(waiting)), interruption.waking(subscription.wake):
                final = _block(components, waiting, subscription, deadline, interruption)
            if not final:
                raise TimeoutError(f"{len(waiting)} invocation(s) have not ended in {timeout_s} s")


def _block(
    components: Components,
    waiting: Collection[str],
    subscription: Subscription,
    deadline: float | None,
    interruption: Interruption,
) -> list[Ended]:
    """Return the next records that are final; none when the deadline has passed."""
    look_s = components.first_look_s
    while True:
        interruption.check()
        pause = look_s
        if deadline is not None:
            pause = min(pause, deadline - time.monotonic())
            if pause <= 0:
                return []
        woken = subscription.wait(pause).intersection(waiting)
        if woken and len(waiting) > _MANY:
            # Many end one after the other: a moment later one look sees several of them.
            time.sleep(_GATHER_S)
            woken |= subscription.wait(0).intersection(waiting)
        if not woken:
            look_s = min(look_s * 2, LAST_LOOK_S)
        final = _final_if_available(components, woken or waiting)
        if final:
            return final


def _final_if_available(components: Components, invocation_ids: Collection[str]) -> list[Ended]:
    """Return those that have ended; none if a body waits while the storage is unavailable."""
    try:
        return _final_among(components, invocation_ids)
    except StorageUnavailableError as error:
        if current_interruption.get() is None:
            raise
        # A body that waits is not to blame, and what it waits for continues regardless.
        components.logger.warning("%s; the wait continues", error)
        return []


async def wait_final_async(
    components: Components,
    invocation_ids: Sequence[str],
    timeout_s: float | None = None,
    blocked: Blocked = _not_noted,
) -> AsyncIterator[list[Ended]]:
    """Do the same as `wait_final` without blocking the event loop or a thread."""
    waiting = set(invocation_ids)
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    loop, woken = asyncio.get_running_loop(), asyncio.Event()

    def wake() -> None:
        loop.call_soon_threadsafe(woken.set)

    with components.orchestrator.subscribe(waiting, wake) as subscription:
        final = await beside_loop(lambda: _final_among(components, waiting))
        while True:
            waiting.difference_update(each.state.invocation_id for each in final)
            if final:
                yield final
            if not waiting:
                return
            noted = blocked(sorted(waiting))
            interruption = current_interruption.get() or Interruption()
            async with _beside_loop(noted):
                with interruption.waking(wake):
                    final = await _block_async(
                        components, waiting, subscription, woken, deadline, interruption
                    )
            if not final:
                raise TimeoutError(f"{len(waiting)} invocation(s) have not ended in {timeout_s} s")


@asynccontextmanager
async def _beside_loop(context: AbstractContextManager[None]) -> AsyncIterator[None]:
    """Enter and leave a context in threads, because that writes to the storage.

    Once it is being entered it is left, too, even if the waiter is cancelled just then.
    """
    entering = started_beside_loop(context.__enter__)
    was_cancelled = await _to_its_end(entering)
    if not was_cancelled or entering.exception() is not None:
        entering.result()
    try:
        if was_cancelled:
            raise asyncio.CancelledError
        yield
    finally:
        leaving = started_beside_loop(lambda: context.__exit__(None, None, None))
        was_cancelled = await _to_its_end(leaving)
        leaving.result()
        if was_cancelled:
            raise asyncio.CancelledError


async def _to_its_end(future: asyncio.Future[Any]) -> bool:
    """Wait for something that must not be left half way; whether the waiter was cancelled meanwhile."""
    was_cancelled = False
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            was_cancelled = True
    return was_cancelled


async def _block_async(
    components: Components,
    waiting: Collection[str],
    subscription: Subscription,
    woken: asyncio.Event,
    deadline: float | None,
    interruption: Interruption,
) -> list[Ended]:
    """Return the next records that are final; none when the deadline has passed."""
    loop, look_s = asyncio.get_running_loop(), components.first_look_s
    while True:
        if interruption.is_cooperative:
            interruption.check()
        pause = look_s
        if deadline is not None:
            pause = min(pause, deadline - time.monotonic())
            if pause <= 0:
                return []
        # In a context of its own, so that it is not taken for a timer of the body that waits.
        timer = loop.call_later(pause, woken.set, context=contextvars.Context())
        try:
            await woken.wait()
        finally:
            timer.cancel()
        if loop.time() >= timer.when():
            look_s = min(look_s * 2, LAST_LOOK_S)
        woken.clear()
        looked_at = subscription.wait(0).intersection(waiting) or waiting
        final = await beside_loop(partial(_final_if_available, components, looked_at))
        if final:
            return final


def load_results(components: Components, ended: Sequence[Ended]) -> list[Any]:
    """Return what came of invocations that have ended, in order.

    Returns:
        For each its result, or the exception that its `result` raises.
    """
    read: dict[str, OutcomeData | None] = {
        each.outcome.outcome_id: each.outcome for each in ended if each.outcome is not None
    }
    wanted = [
        key if (key := each.state.outcome_id or "").startswith(each.state.invocation_id) else ""
        for each in ended
    ]
    missing = [key for key in wanted if key and key not in read]
    if missing:  # most were read along with the record
        read.update(zip(missing, components.state_backend.read_outcomes(missing), strict=True))
    states = [each.state for each in ended]
    outcomes = [
        outcome
        if outcome is not None and outcome.is_error == (state.status != InvocationStatus.SUCCESS)
        else None
        for state, outcome in zip(states, map(read.get, wanted), strict=True)
    ]
    good = [
        outcome.payload
        for state, outcome in zip(states, outcomes, strict=True)
        if outcome is not None and state.status == InvocationStatus.SUCCESS
    ]
    values = iter(components.values.unpack_results(good))
    loaded: list[Any] = []
    for state, outcome in zip(states, outcomes, strict=True):
        if state.status == InvocationStatus.SUCCESS and outcome is not None:
            loaded.append(next(values))
        elif state.status == InvocationStatus.FAILED and outcome is not None:
            loaded.append(RaisedError(components.values.unpack_error(outcome.payload)))
        else:
            loaded.append(RaisedError(without_outcome(state)))
    return loaded


class RaisedError:
    """Stands for a result that is an exception to raise."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def without_outcome(state: InvocationState) -> InvocationError:
    """Return the exception that stands for the outcome of an invocation that ended without one."""
    invocation_id = state.invocation_id
    if state.status == InvocationStatus.CANCELLED:
        return InvocationCancelledError(f"invocation {invocation_id} was cancelled")
    if state.status == InvocationStatus.CONCURRENCY_CONTROLLED_FINAL:
        why = "concurrency control blocked it, and 'reroute_on_concurrency_control' is off"
        if state.waits_for is not None:
            why = state.waits_for.removeprefix("nothing: ")
        return ConcurrencyControlledError(
            f"invocation {invocation_id} of task {state.task_id} never ran: {why}"
        )
    reason = why_unreadable(OUTCOME, state.outcome_id or "")
    return InvocationError(
        f"invocation {invocation_id} is {state.status}, but its outcome "
        + (f"cannot be read: {reason}" if reason else "is gone")
    )
