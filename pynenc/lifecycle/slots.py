"""Running concurrency: slots that one invocation holds at a time.

A slot names the claim that holds it. It counts only while that claim is really in force, or
while the invocation for which it is kept can still be claimed under that number; otherwise
whoever comes next takes it over by compare and set. Claim numbers only rise, so a slot that
does not count any more never counts again.

Order of writes when blocked: the place in line, the record, then a second look at the slot,
which may have come free between the first look and the place in line. Order when handed on:
the slot is kept for the first in line, its record goes to REROUTED, its message is pushed, its
place in line is dropped. Recovery repeats what a crash leaves undone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from pynenc.invocation.claim import Claim
from pynenc.invocation.state import InvocationState, changed
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.submission import message_for
from pynenc.orchestrator.base_orchestrator import Slot, SlotSwap, Waiter, waiter
from pynenc.storage.group import Group

_S = InvocationStatus
_HEAD = 8
_MANY = 500


def counts(slot: Slot, holder: InvocationState | None) -> bool:
    """Return whether a slot is still held, or kept for an invocation that can still come."""
    if holder is None:
        return False
    if holder.claim == slot.claim:
        return holder.status.needs_owner
    return holder.claim == slot.claim - 1 and holder.status.counts_as_waiting


def acquire(components: Components, claims: Sequence[Claim], runner_id: str) -> list[Claim]:
    """Take the slots that claimed invocations need.

    Returns:
        The claims that may run. The others were sent to wait, or ended.
    """
    needing = [(each, key) for each in claims if (key := each.state.slot_key) is not None]
    if not needing:
        return list(claims)
    wanted = [Slot(key, each.state.invocation_id, each.state.claim) for each, key in needing]
    taken = components.orchestrator.swap_slots([SlotSwap(None, slot) for slot in wanted])
    refused = [slot for slot, done in zip(wanted, taken, strict=True) if not done]
    blocked_ids = _take_over(components, refused) if refused else frozenset()
    blocked = [each for each, _ in needing if each.state.invocation_id in blocked_ids]
    if blocked:
        _block(components, blocked, runner_id)
    return [each for each in claims if each.state.invocation_id not in blocked_ids]


def _take_over(components: Components, wanted: Sequence[Slot]) -> frozenset[str]:
    """Take slots that do not count any more; the invocations that did not get theirs."""
    found = components.orchestrator.read_slots([slot.slot_key for slot in wanted])
    holder_ids = [slot.invocation_id if slot else "" for slot in found]
    holders = components.orchestrator.read_states(holder_ids)
    blocked: set[str] = set()
    swaps: list[SlotSwap] = []
    for slot, present, holder in zip(wanted, found, holders, strict=True):
        if present == slot:
            continue  # it was kept for this very claim
        if present is not None and counts(present, holder):
            blocked.add(slot.invocation_id)
        else:
            swaps.append(SlotSwap(present, slot))
    done = components.orchestrator.swap_slots(swaps) if swaps else []
    lost = [swap.after for swap, was_done in zip(swaps, done, strict=True) if not was_done]
    blocked.update(slot.invocation_id for slot in lost if slot is not None)
    return frozenset(blocked)


def _block(components: Components, claims: Sequence[Claim], runner_id: str) -> None:
    """Send claims whose slot is taken to wait, or end them."""
    now, group = components.now(), Group()
    line = [
        waiter(each.state, each.state.slot_key, each.data.created_at)
        for each in claims
        if _waits(each.state) and each.state.slot_key is not None
    ]
    if line:
        components.orchestrator.add_waiters(line)
    blocked = (_S.CONCURRENCY_CONTROLLED_FINAL, _S.CONCURRENCY_CONTROLLED)
    changes = [changed(each.state, blocked[_waits(each.state)], runner_id, now) for each in claims]
    components.stage_change(group, changes, runner_id)
    states = [change.target for change in changes]
    final = [state.invocation_id for state in states if state.status.final]
    if final:
        components.orchestrator.stage_announce(group, final)
    group.send()
    hand_on(components, [place.slot_key for place in line], runner_id)


def _waits(state: InvocationState) -> bool:
    """Return whether an invocation waits for its slot; what has begun is not refused any more."""
    return bool(state.waits_for_slot) or state.claim > 1


def release(components: Components, states: Iterable[InvocationState], actor_id: str) -> None:
    """Let go of the slots of claims that are over, and hand them to the next in line.

    Args:
        components: The components.
        states: The records as they were under those claims, or after.
        actor_id: Who does it, for the history.
    """
    held = [
        Slot(state.slot_key, state.invocation_id, state.claim)
        for state in states
        if state.slot_key is not None
    ]
    if held:
        components.orchestrator.swap_slots([SlotSwap(slot, None) for slot in held])
        hand_on(components, [slot.slot_key for slot in held], actor_id)


def forget(components: Components, ended: Sequence[InvocationState]) -> None:
    """Delete what slots, lines, and the indexes of equal calls still say of invocations that have ended.

    None of it counts any more; a crash may have left it behind.
    """
    ids = {state.invocation_id for state in ended}
    keys = {
        key
        for state in ended
        for key in (state.slot_key, state.cache_key, state.registration_key)
        if key is not None
    }
    entries = components.orchestrator.read_slots(sorted(keys)) if keys else []
    theirs = [each for each in entries if each is not None and each.invocation_id in ids]
    if theirs:
        components.orchestrator.swap_slots([SlotSwap(entry, None) for entry in theirs])
    for state in ended:
        if state.slot_key is None:
            continue
        numbers = range(max(1, state.claim - _MANY), state.claim + 1)
        components.orchestrator.drop_waiters(
            [waiter(msgspec.structs.replace(state, claim=each), state.slot_key, 0.0) for each in numbers]
        )


def hand_on(components: Components, slot_keys: Iterable[str], actor_id: str) -> int:
    """Give slots that do not count any more to the first in line.

    Returns:
        How many invocations were woken.
    """
    return sum(_hand_on(components, key, actor_id) for key in dict.fromkeys(slot_keys))


def _hand_on(components: Components, slot_key: str, actor_id: str) -> int:
    while True:
        (slot,) = components.orchestrator.read_slots([slot_key])
        line = components.orchestrator.first_waiters(slot_key, _HEAD)
        states = components.orchestrator.read_states([each.invocation_id for each in line])
        if slot is not None:
            (holder,) = components.orchestrator.read_states([slot.invocation_id])
            if counts(slot, holder):
                if holder is not None and holder.status == _S.CONCURRENCY_CONTROLLED:
                    _wake(components, holder, line, actor_id)
                    return 1
                return 0
        gone = [each for each, state in zip(line, states, strict=True) if _has_left(each, state)]
        if gone:
            components.orchestrator.drop_waiters(gone)
        following = next((state for state in states if state and _is_blocked(state)), None)
        if following is None:
            if gone and len(line) == _HEAD:
                continue  # there may be others behind those that have left
            if slot is not None:
                components.orchestrator.swap_slots([SlotSwap(slot, None)])
            return 0
        kept = Slot(slot_key, following.invocation_id, following.claim + 1)
        if components.orchestrator.swap_slots([SlotSwap(slot, kept)])[0]:
            _wake(components, following, line, actor_id)
            return 1


def _is_blocked(state: InvocationState) -> bool:
    return state.status == _S.CONCURRENCY_CONTROLLED


def _has_left(place: Waiter, state: InvocationState | None) -> bool:
    """Return whether an invocation is past the claim under which it was blocked.

    One that is still PENDING under that claim is about to be blocked and looks again itself.
    """
    if state is None or state.status.final or state.claim > place.claim:
        return True
    return state.status.is_available


def _wake(components: Components, state: InvocationState, line: Sequence[Waiter], actor_id: str) -> None:
    """Queue an invocation for which the slot is kept."""
    group = Group()
    change = changed(state, _S.REROUTED, actor_id, components.now())
    components.stage_change(group, [change], actor_id)
    components.broker.stage_push(group, [message_for(change.target)])
    group.send()
    components.orchestrator.drop_waiters([each for each in line if each.invocation_id == state.invocation_id])
