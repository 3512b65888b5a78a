"""Parking: an invocation that waits for long holds no thread, no slot and no runner.

Its record is RETRY, due when the wait is over or never, and says what it waits for. Waking leads it
through PENDING to REROUTED, so that its message is another one than that of the time it was due.

Whoever sends an event stores it first and wakes second; a runner parks first and looks for events
second. So one of the two sees the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pynenc.invocation.status import InvocationStatus
from pynenc.orchestrator.base_orchestrator import Change, InvocationState
from pynenc.orchestrator.ports import Ports, changed, message_for
from pynenc.storage.group import Group

NEVER = 253_402_300_800.0
"""When an invocation is due that only an event wakes: the year 10000."""


class Parking(msgspec.Struct, frozen=True):
    """How a body asks to be parked.

    Attributes:
        due: When to run again, in seconds since the epoch; `NEVER` if only an event wakes it.
        waits_for: What it waits for, in words.
        heard: If events wake it: how many it has seen; None if it waits for no event.
        generation: How often it has continued as new, from the next run on.
    """

    due: float
    waits_for: str
    heard: int | None = None
    generation: int = 0


def event_channel(invocation_id: str) -> str:
    """The channel on which an invocation that runs hears of its events."""
    return f"event:{invocation_id}"


def wake(ports: Ports, invocation_ids: Sequence[str], actor_id: str) -> int:
    """Run parked invocations now; how many were woken. Others are left alone."""
    states = ports.orchestrator.read(invocation_ids)
    return wake_states(ports, [state for state in states if state is not None], actor_id)


def wake_states(ports: Ports, states: Sequence[InvocationState], actor_id: str) -> int:
    """Like `wake`, for records that were just read."""
    now, group = ports.now(), Group()
    ways: list[list[Change]] = []
    for state in states:
        if state.is_parked:
            taken = changed(state, InvocationStatus.PENDING, actor_id, now)
            again = changed(
                taken.target, InvocationStatus.REROUTED, actor_id, now, not_before=0.0, waits_for=None
            )
            ways.append([taken, again])
    if not ways:
        return 0
    replies = [ports.stage_change(group, way, actor_id) for way in ways]
    ports.broker.stage_push(group, [message_for(way[-1].target) for way in ways])
    group.send()
    done = [way[-1].target for way, reply in zip(ways, replies, strict=True) if reply.get()[-1].applied]
    ports.hooks.status_changed(done)
    return len(done)


def wake_who_was_sent_something(
    ports: Ports, parked: Sequence[tuple[InvocationState, Parking]], actor_id: str
) -> None:
    """Wake those that an event reached while they were being parked."""
    for state, parking in parked:
        if (
            parking.heard is not None
            and ports.state_backend.count_events(state.invocation_id) != parking.heard
        ):
            wake_states(ports, [state], actor_id)
