"""Submitting: from a call to an accepted invocation.

Order of writes: the invocation, its status record, its message. An invocation without a
record is never seen; a record without a message is pushed by reconciliation; the message of
an unknown record falls away.

With registration concurrency the message goes out only after the registration entry names the
new invocation. Until then it is not accepted: if another call was quicker, it is taken back.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pynenc.broker.base_broker import Message
from pynenc.invocation.data import InvocationData
from pynenc.invocation.state import InvocationState
from pynenc.invocation.status import AVAILABLE_STATUSES, InvocationStatus
from pynenc.lifecycle.components import Ports
from pynenc.orchestrator.base_orchestrator import Slot, SlotSwap
from pynenc.storage.group import Group

_WAITING = AVAILABLE_STATUSES | {InvocationStatus.CONCURRENCY_CONTROLLED}


class NewInvocation(msgspec.Struct, frozen=True):
    """An invocation to submit: what it is, and its record as it will be registered."""

    data: InvocationData
    state: InvocationState


def submit(ports: Ports, new: Sequence[NewInvocation]) -> None:
    """Accept invocations, all in one round trip where the components share a storage.

    Args:
        ports: The components.
        new: What to run; an id that is known already changes nothing.
    """
    _call(ports, "before_submit", new)
    group = Group()
    _stage(ports, group, new)
    ports.broker.stage_push(group, [message_for(each.state) for each in new])
    group.send()
    _accepted(ports, new)


def _stage(ports: Ports, group: Group, new: Sequence[NewInvocation]) -> None:
    submitter = new[0].data.submitter_id if new else None
    ports.state_backend.stage_save_invocations(group, [each.data for each in new])
    ports.stage_register(group, [each.state for each in new], submitter)


def _call(ports: Ports, hook: str, new: Sequence[NewInvocation]) -> None:
    for each in new:
        ports.hooks.call(hook, invocation_id=each.data.invocation_id, task_id=each.data.task_id)


def _accepted(ports: Ports, new: Sequence[NewInvocation]) -> None:
    ports.hooks.status_changed([each.state for each in new])
    _call(ports, "after_submit", new)


def find_waiting(ports: Ports, registration_keys: Sequence[str]) -> list[InvocationState | None]:
    """For each registration key the invocation that still waits under it, if there is one."""
    entries = ports.orchestrator.read_slots(registration_keys)
    states = ports.orchestrator.read([entry.invocation_id if entry else "" for entry in entries])
    return [state if state is not None and state.status in _WAITING else None for state in states]


def submit_registered(ports: Ports, new: NewInvocation) -> InvocationState | None:
    """Accept an invocation unless an equal one waits already.

    Returns:
        None if it was accepted, otherwise the record of the one that waits.
    """
    key = new.state.registration_key or ""
    while True:
        (entry,) = ports.orchestrator.read_slots([key])
        if entry is not None:
            (holder,) = ports.orchestrator.read([entry.invocation_id])
            if holder is not None and holder.status in _WAITING:
                return holder
        _call(ports, "before_submit", [new])
        group = Group()
        _stage(ports, group, [new])
        group.send()
        own = Slot(key, new.state.invocation_id, 0)
        if ports.orchestrator.swap_slots([SlotSwap(entry, own)])[0]:
            ports.broker.push([message_for(new.state)])
            _accepted(ports, [new])
            return None
        ports.orchestrator.delete([new.state])
        ports.state_backend.delete([(new.state.invocation_id, 0)])


def find_cached(ports: Ports, cache_keys: Sequence[str]) -> list[InvocationState | None]:
    """For each cache key the latest invocation that succeeded under it, if it is still stored."""
    entries = ports.orchestrator.read_slots(cache_keys)
    states = ports.orchestrator.read([entry.invocation_id if entry else "" for entry in entries])
    return [
        state if state is not None and state.status == InvocationStatus.SUCCESS else None for state in states
    ]


def note_results(ports: Ports, ending: Sequence[InvocationState]) -> None:
    """Make the results of invocations that are about to end well the latest under their cache keys.

    It goes before the status, so who has seen the result finds it; until the status says so, the
    entry counts for nothing.
    """
    for state in ending:
        if state.cache_key is None or state.status != InvocationStatus.SUCCESS:
            continue
        own = Slot(state.cache_key, state.invocation_id, state.claim)
        before: Slot | None = None
        while not ports.orchestrator.swap_slots([SlotSwap(before, own)])[0]:
            (before,) = ports.orchestrator.read_slots([state.cache_key])
            if before == own:
                break


def message_for(state: InvocationState) -> Message:
    """The message that tells that this state can be run."""
    return Message(
        state.invocation_id,
        state.claim,
        state.status.value,
        state.queue,
        state.priority,
        state.not_before,
    )
