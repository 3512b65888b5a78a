"""Cancelling: what waits ends at once, what runs is asked to end by its owner.

The request for a running invocation is a flag on its record, set by compare and set against the
claim in force. The owner learns of it by wake-up, or else at its next sign of life. If the owner
dies, or gives the invocation back, whoever leads it back to the queue or claims it next ends it.

The root of a workflow that has begun is not ended by others: it runs, replays what it has recorded,
and is told at the place where it had come to, so that it can compensate what it has done.

The children of an invocation that is cancelled are cancelled as well if its record says so: before it
can become CANCELLED, and when its body can submit no more of them, so that no crash leaves one behind.
Where the body of a workflow is told, it is done just before: what that submits then is to compensate.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import msgspec

from pynenc.invocation.claim import Claim
from pynenc.invocation.state import Change, InvocationState, changed
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle import slots
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.parking import release, unpark
from pynenc.lifecycle.waiting import read_states
from pynenc.storage.group import Group

_S = InvocationStatus


def runner_channel(runner_id: str) -> str:
    """Return the channel on which a runner hears that something it owns is to be cancelled."""
    return f"runner:{runner_id}"


def cancel(
    components: Components, invocation_ids: Sequence[str], actor_id: str, children: bool = False
) -> None:
    """Cancel invocations; those that have ended are left alone.

    Args:
        components: The components.
        invocation_ids: Which.
        actor_id: Who does it, for the history.
        children: Whether all that they have started is cancelled, too, and what that has started,
            even if they themselves have ended.

    Raises:
        InvocationNotFoundError: One is not known.
    """
    states = read_states(components, invocation_ids)
    reaching = [
        state
        for state in states
        if _may_have_children(state) and (children or (state.cancels_children and not state.status.final))
    ]
    idle = [state.invocation_id for state in reaching if state.runner_id is None]
    cancel_children(components, idle, actor_id)
    _cancel(components, states, actor_id, children)
    # A body that waits for a child learns first that it is cancelled itself.
    running = [state.invocation_id for state in reaching if state.runner_id is not None]
    cancel_children(components, running, actor_id)


def _may_have_children(state: InvocationState) -> bool:
    """Return whether others may look for its children: those of a body that is told are left to that."""
    return state.claim > 0 and (state.status.final or not state.is_workflow)


def cancel_children(components: Components, invocation_ids: Sequence[str], actor_id: str) -> None:
    """Cancel all that invocations have started, and what that has started; some of it may be gone."""
    seen = set(invocation_ids)
    parents = deque(invocation_ids)
    while parents:
        for page in components.state_backend.pages_of_children(parents.popleft()):
            known = components.orchestrator.read_states([data.invocation_id for data in page])
            states = [state for state in known if state is not None]
            _cancel(components, states, actor_id, children=True)
            found = [state.invocation_id for state in states if _may_have_children(state)]
            parents.extend(each for each in found if each not in seen)
            seen.update(found)


def end_children(components: Components, invocation_id: str, actor_id: str) -> None:
    """Cancel what an invocation has started, before it becomes CANCELLED, if its record says so."""
    (state,) = components.orchestrator.read_states([invocation_id])
    if state is not None and state.cancels_children:
        cancel_children(components, [invocation_id], actor_id)


def is_cancel_requested(components: Components, invocation_id: str) -> bool:
    """Return whether an invocation was cancelled, whether or not its body knows yet."""
    (state,) = components.orchestrator.read_states([invocation_id])
    return state is not None and bool(state.cancel_requested)


def _cancel(components: Components, states: Sequence[InvocationState], actor_id: str, children: bool) -> None:
    while states:
        now, group = components.now(), Group()
        changes = [
            _wanted(state, children, actor_id, now)
            for state in states
            if not state.status.final and (children or not state.cancel_requested)
        ]
        if not changes:
            return
        replies = components.stage_change(group, changes, actor_id)
        channels = [_channel(change.target) for change in changes]
        components.orchestrator.stage_announce(group, channels)
        group.send()
        done = [reply.applied for reply in replies.get()]
        ended = [
            change.target
            for change, was_done in zip(changes, done, strict=True)
            if was_done and change.target.status == _S.CANCELLED
        ]
        slots.release(components, ended, actor_id)
        pairs = zip(changes, done, strict=True)
        taken = [change.target for change, was_done in pairs if was_done and change.current.is_parked]
        release(components, [state for state in taken if state.status == _S.PENDING], actor_id)
        # Those that moved on meanwhile are looked at again.
        moved = [
            change.current.invocation_id
            for change, was_done in zip(changes, done, strict=True)
            if not was_done
        ]
        states = [state for state in components.orchestrator.read_states(moved) if state is not None]


def _wanted(state: InvocationState, children: bool, actor_id: str, now: float) -> Change:
    """Return the end of a waiting record, or the flag for one that a runner owns or that is in passing."""
    flags = {"cancel_requested": 1, "cancels_children": int(children or state.cancels_children)}
    if state.is_parked and state.ends_by_itself:
        return unpark(state, actor_id, now, **flags)
    ends_here = state.status.can_transition_to(_S.CANCELLED) and state.runner_id is None
    if ends_here and not state.ends_by_itself:
        return changed(state, _S.CANCELLED, actor_id, now)
    return Change(state, msgspec.structs.replace(state, **flags))


def _channel(state: InvocationState) -> str:
    return state.invocation_id if state.status.final else runner_channel(state.runner_id or "")


def end_cancelled(components: Components, claims: Sequence[Claim], runner_id: str) -> list[Claim]:
    """End those of a runner's new claims that were cancelled before; the others."""
    doomed = [each.state for each in claims if _is_doomed(each.state)]
    if doomed:
        reaching = [state.invocation_id for state in doomed if state.cancels_children and state.claim > 1]
        cancel_children(components, reaching, runner_id)
        now, group = components.now(), Group()
        changes = [changed(state, _S.CANCELLED, runner_id, now) for state in doomed]
        components.stage_change(group, changes, runner_id)
        components.orchestrator.stage_announce(group, [state.invocation_id for state in doomed])
        group.send()
        slots.release(components, [change.target for change in changes], runner_id)
    return [each for each in claims if not _is_doomed(each.state)]


def _is_doomed(state: InvocationState) -> bool:
    """Return whether it was cancelled and its body has nothing to say to that."""
    # This claim is the first if nothing has begun before.
    return bool(state.cancel_requested) and not (state.is_workflow and state.claim > 1)


def cancelled_among(components: Components, invocation_ids: Sequence[str]) -> list[str]:
    """Return which of a runner's invocations were asked to end."""
    states = components.orchestrator.read_states(invocation_ids)
    return [state.invocation_id for state in states if state is not None and state.cancel_requested]
