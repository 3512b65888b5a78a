"""Submitting: from a call to an accepted invocation.

Order of writes: the invocation, what it goes on from, its status record, its message. An invocation
without a record is never seen, and deleted some day with all that was saved for it; a record without a
message is pushed by reconciliation; the message of an unknown record falls away.

With registration concurrency, throttling or debouncing the message goes out only after the registration
entry names the new invocation. Until then it is not accepted: if another call was quicker, it is taken
back. One whose place it takes ends after that: a crash in between lets both run, and loses none.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from pynenc.broker.base_broker import Message
from pynenc.invocation.packed_text import REFERENCE
from pynenc.invocation.state import InvocationState, Registration, changed
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.new_invocation import NewInvocation
from pynenc.lifecycle.surroundings import submitting
from pynenc.orchestrator.base_orchestrator import Slot, SlotSwap
from pynenc.state_backend.base_state_backend import INVOCATION, tag_saves
from pynenc.storage.group import Group
from pynenc.storage.record_store import Save


def submit(components: Components, new: Sequence[NewInvocation], is_surrounded: bool = False) -> None:
    """Accept invocations, all in one round trip where the components share a storage.

    Args:
        components: The components.
        new: What to run; an id that is known already changes nothing. One with steps comes alone.
        is_surrounded: Whether the hooks around a submission were entered.
    """
    hooks, group = components.hooks, Group()
    if hooks.submitting.get_hookimpls() and not is_surrounded:
        with submitting(components, new) as given:
            submit(components, given, is_surrounded=True)
        return
    states = [each.state for each in new]
    if hooks.before_submit.get_hookimpls():
        _call(components, "before_submit", new)
    data = [each.data for each in new]
    if any(REFERENCE in each.arguments for each in data):
        components.state_backend.note_uses(INVOCATION, data, "arguments", group)
    saves = [Save(each) for each in data]
    if any(each.tags for each in data):
        saves += tag_saves(data)
    components.state_backend.stage_write(group, saves)
    if new and new[0].steps:
        _stage_record(components, group, new[0])
    if time.monotonic() >= components.watch.quiet_until:
        components.watch.stage(group, states)
    submitter = new[0].data.submitter_id if new else None
    registrations = [Registration(state) for state in states]
    replies = components.orchestrator.stage_change(group, registrations, submitter)
    if hooks.changed.get_hookimpls() or hooks.statuses_changed.get_hookimpls():
        components.report_registered(group, registrations, replies, submitter)
    components.broker.stage_push(group, [message_for(state) for state in states])
    group.send()
    if hooks.after_submit.get_hookimpls():
        _call(components, "after_submit", new)


def _stage(components: Components, group: Group, new: Sequence[NewInvocation]) -> None:
    submitter = new[0].data.submitter_id if new else None
    components.state_backend.stage_save_invocations(group, [each.data for each in new])
    for each in new:
        _stage_record(components, group, each)
    components.stage_register(group, [each.state for each in new], submitter)


def _stage_record(components: Components, group: Group, new: NewInvocation) -> None:
    """Save what an invocation goes on from, behind the invocation and before its status record."""
    if new.steps:
        components.state_backend.stage_save_steps(group, new.steps)
    if new.values:
        components.state_backend.stage_set_values(group, new.values)


def _call(components: Components, hook: str, new: Sequence[NewInvocation]) -> None:
    for each in new:
        components.hooks.call(hook, invocation_id=each.data.invocation_id, task_id=each.data.task_id)


def find_waiting(components: Components, registration_keys: Sequence[str]) -> list[InvocationState | None]:
    """For each registration key the invocation that still waits under it, if there is one."""
    entries = components.orchestrator.read_slots(registration_keys)
    states = components.orchestrator.read_states([entry.invocation_id if entry else "" for entry in entries])
    return [
        state
        if state is not None and state.status.counts_as_waiting and state.registration_key == key
        else None
        for key, state in zip(registration_keys, states, strict=True)
    ]


def submit_registered(
    components: Components, new: NewInvocation, throttle_s: float | None = None, debounces: bool = False
) -> InvocationState | None:
    """Accept an invocation unless one under the same registration key stands for it.

    Args:
        components: The components.
        new: What to run.
        throttle_s: If given, one stands for it that was accepted less than so many seconds ago,
            whatever became of that; else one that waits.
        debounces: Whether it takes the place of the one that waits instead, which then never runs.

    Returns:
        None if it was accepted, otherwise the record of the one that stands for it.
    """
    key = new.state.registration_key or ""
    while True:
        (entry,) = components.orchestrator.read_slots([key])
        holder = None if entry is None else _holder(components, entry, new, throttle_s)
        if holder is not None and (not debounces or holder.invocation_id == new.state.invocation_id):
            return holder
        if submit_in_place_of(components, new, entry):
            if holder is not None:
                _supersede(components, holder, new)
            return None


def submit_in_place_of(components: Components, new: NewInvocation, entry: Slot | None) -> bool:
    """Accept an invocation if the entry under its registration key is still the one that was read.

    Returns:
        Whether it was; if not, nothing is left of it, unless another has just accepted it.
    """
    if components.hooks.submitting.get_hookimpls():
        with submitting(components, [new]) as (given,):
            return _put_in_place(components, given, entry)
    return _put_in_place(components, new, entry)


def _put_in_place(components: Components, new: NewInvocation, entry: Slot | None) -> bool:
    key = new.state.registration_key or ""
    _call(components, "before_submit", [new])
    group = Group()
    _stage(components, group, [new])
    group.send()
    own = Slot(key, new.state.invocation_id, 0)
    if components.orchestrator.swap_slots([SlotSwap(entry, own)])[0]:
        components.broker.push([message_for(new.state)])
        _call(components, "after_submit", [new])
        return True
    (winner,) = components.orchestrator.read_slots([key])
    if winner != own:  # else the same call was accepted by another at this moment
        components.orchestrator.delete([new.state])
        components.state_backend.delete([(new.state.invocation_id, 0)])
        if new.steps:
            components.state_backend.forget_workflows([new.state.invocation_id])
    return False


def _holder(
    components: Components, entry: Slot, new: NewInvocation, throttle_s: float | None
) -> InvocationState | None:
    """Return the record of the invocation that an entry names, if it still stands for others."""
    (state,) = components.orchestrator.read_states([entry.invocation_id])
    if state is None:
        return None
    if throttle_s is None:
        return state if state.status.counts_as_waiting else None
    (data,) = components.state_backend.read_invocations([entry.invocation_id])
    is_recent = data is not None and data.created_at > new.data.created_at - throttle_s
    return state if is_recent else None


def _supersede(components: Components, holder: InvocationState, new: NewInvocation) -> None:
    """End one that waits because a later call has taken its place; one that was just claimed runs."""
    actor_id, group = new.data.submitter_id, Group()
    final = InvocationStatus.CONCURRENCY_CONTROLLED_FINAL
    if not holder.status.can_transition_to(final):
        return
    waits_for = superseded_by(new.state.invocation_id)
    change = changed(holder, final, actor_id, components.now(), waits_for=waits_for)
    components.stage_change(group, [change], actor_id)
    components.orchestrator.stage_announce(group, [holder.invocation_id])
    group.send()


def superseded_by(invocation_id: str) -> str:
    """Return what the record of an invocation says whose place a later call has taken."""
    return f"nothing: invocation {invocation_id} of a later call has taken its place"


def find_cached(components: Components, cache_keys: Sequence[str]) -> list[InvocationState | None]:
    """For each cache key the latest invocation that succeeded under it, if it is still stored."""
    entries = components.orchestrator.read_slots(cache_keys)
    states = components.orchestrator.read_states([entry.invocation_id if entry else "" for entry in entries])
    return [
        state
        if state is not None and state.status == InvocationStatus.SUCCESS and state.cache_key == key
        else None
        for key, state in zip(cache_keys, states, strict=True)
    ]


def index_cached_results(components: Components, ending: Sequence[InvocationState]) -> None:
    """Make the results of invocations that are about to end well the latest under their cache keys.

    It goes before the status, so who has seen the result finds it; until the status says so, the
    entry counts for nothing.
    """
    for state in ending:
        if state.cache_key is None or state.status != InvocationStatus.SUCCESS:
            continue
        own = Slot(state.cache_key, state.invocation_id, state.claim)
        before: Slot | None = None
        while not components.orchestrator.swap_slots([SlotSwap(before, own)])[0]:
            (before,) = components.orchestrator.read_slots([state.cache_key])
            if before == own:
                break


def message_for(state: InvocationState) -> Message:
    """Return the message that tells that this state can be run."""
    not_before = state.not_before if state.not_before > state.changed_at else 0.0
    return Message(
        state.invocation_id, state.claim, state.status.value, state.queue, state.priority, not_before
    )
