"""Parking: an invocation that waits for long holds no thread, no slot and no runner.

Its record is RETRY, due when the wait is over or never, and says what it waits for. Waking leads it
through PENDING to REROUTED, so that its message is another one than that of the time it was due.

The record counts the events that were sent, and says whether it was cancelled. A runner parks only if
both are as the body has seen them, and whoever sends or cancels changes the record. So neither slips
through between the last look of the body and the parking, whoever dies in between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from pynenc.invocation.state import Change, InvocationState, changed
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.submission import message_for
from pynenc.storage.group import Group

NEVER = 253_402_300_800.0
"""When an invocation is due that only an event wakes: the year 10000."""


class Parking(msgspec.Struct, frozen=True):
    """A body's request to be parked.

    Attributes:
        due: When to run again, in seconds since the epoch; `NEVER` if only an event wakes it.
        waits_for: What it waits for, in words.
        events_seen: If events wake it: how many its record counted when it looked; None if none do.
        generation: How often it has continued as new, from the next run on.
        blocked_since: If it waits for a runner with other code: since when, in seconds since the epoch.
    """

    due: float
    waits_for: str
    events_seen: int | None = None
    generation: int = 0
    blocked_since: float = 0.0


def event_channel(invocation_id: str) -> str:
    """Return the channel on which an invocation that runs hears of its events."""
    return f"event:{invocation_id}"


def park(state: InvocationState, parking: Parking, runner_id: str, now: float) -> Change:
    """Return the change that parks a running invocation, if nothing has reached it that it has not seen."""
    seen = (
        state if parking.events_seen is None else msgspec.structs.replace(state, events=parking.events_seen)
    )
    is_blocked = parking.blocked_since > 0
    change = changed(
        seen,
        InvocationStatus.RETRY,
        runner_id,
        now,
        not_before=parking.due,
        waits_for=parking.waits_for,
        generation=parking.generation,
        has_steps=state.has_steps if is_blocked else 1,
        recoveries=0,  # it has come to a place where it can wait for months, so it begins to count anew
        blocked_since=parking.blocked_since,
    )
    also = ("cancel_requested",) if parking.events_seen is None else ("cancel_requested", "events")
    return Change(change.current, change.target, also)


def run_again(state: InvocationState, parking: Parking, runner_id: str, now: float) -> Change:
    """Return the change to make in place of `park` if something has reached it."""
    fields = {"not_before": 0.0, "generation": parking.generation, "has_steps": 1, "blocked_since": 0.0}
    return changed(state, InvocationStatus.RETRY, runner_id, now, **fields)


def unpark(state: InvocationState, actor_id: str, now: float, **fields: float | str | None) -> Change:
    """Return the first step of waking; `release` is the second, and recovery makes it if that is missing."""
    change = changed(state, InvocationStatus.PENDING, actor_id, now, not_before=0.0, waits_for=None, **fields)
    return Change(change.current, change.target, ("events",))


def release(components: Components, taken: Sequence[InvocationState], actor_id: str) -> None:
    """Queue invocations that were unparked."""
    if not taken:
        return
    now, group = components.now(), Group()
    again = [changed(state, InvocationStatus.REROUTED, actor_id, now) for state in taken]
    components.stage_change(group, again, actor_id)
    components.broker.stage_push(group, [message_for(change.target) for change in again])
    group.send()


def signal_invocations(
    components: Components,
    invocation_ids: Sequence[str],
    actor_id: str,
    note: Callable[[InvocationState], Mapping[str, float]],
    wakes: bool = True,
) -> None:
    """Note something on the records of invocations that have not ended, and wake those that are parked.

    Args:
        components: The components.
        invocation_ids: Whom to reach.
        actor_id: Who does it, for the history.
        note: What to note on a record.
        wakes: Whether those that are parked are woken.
    """
    waiting = list(invocation_ids)
    while waiting:
        now, group = components.now(), Group()
        states = components.orchestrator.read_states(waiting)
        changes = [
            unpark(state, actor_id, now, **note(state))
            if wakes and state.is_parked
            else Change(state, msgspec.structs.replace(state, **note(state)), ("events",))
            for state in states
            if state is not None and not state.status.final
        ]
        if not changes:
            return
        replies = components.stage_change(group, changes, actor_id)
        channels = [event_channel(change.target.invocation_id) for change in changes]
        components.orchestrator.stage_announce(group, channels)
        group.send()
        done = [reply.applied for reply in replies.get()]
        pairs = list(zip(changes, done, strict=True))
        woken = [
            change.target
            for change, was_done in pairs
            if was_done and change.target.status != change.current.status
        ]
        release(components, woken, actor_id)
        waiting = [change.target.invocation_id for change, was_done in pairs if not was_done]
