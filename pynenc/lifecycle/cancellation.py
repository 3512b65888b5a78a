"""Cancelling: what waits ends at once, what runs is asked to end by its owner.

The request for a running invocation is a flag on its record, set by compare and set against the
claim in force. The owner learns of it by wake-up, or else at its next sign of life. If the owner
dies, or gives the invocation back, whoever leads it back to the queue or claims it next ends it.

The root of a workflow that has begun is not ended by others: it runs, replays what it has recorded,
and is told at the place where it had come to, so that it can compensate what it has done.
"""

from __future__ import annotations

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


def cancel(components: Components, invocation_ids: Sequence[str], actor_id: str) -> None:
    """Cancel invocations; those that have ended are left alone.

    Raises:
        InvocationNotFoundError: One is not known.
    """
    waiting = list(invocation_ids)
    while waiting:
        now, group = components.now(), Group()
        states = [state for state in read_states(components, waiting) if not state.status.final]
        changes = [_wanted(state, actor_id, now) for state in states if not state.cancel_requested]
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
        components.hooks.status_changed(ended)
        slots.release(components, ended, actor_id)
        pairs = zip(changes, done, strict=True)
        taken = [change.target for change, was_done in pairs if was_done and change.current.is_parked]
        release(components, [state for state in taken if state.status == _S.PENDING], actor_id)
        # Those that moved on meanwhile are looked at again.
        waiting = [
            change.current.invocation_id
            for change, was_done in zip(changes, done, strict=True)
            if not was_done
        ]


def _wanted(state: InvocationState, actor_id: str, now: float) -> Change:
    """Return the end of a waiting record, or the flag for one that a runner owns or that is in passing."""
    if state.is_parked and state.ends_by_itself:
        return unpark(state, actor_id, now, cancel_requested=1)
    ends_here = state.status.can_transition_to(_S.CANCELLED) and state.runner_id is None
    if ends_here and not state.ends_by_itself:
        return changed(state, _S.CANCELLED, actor_id, now)
    return Change(state, msgspec.structs.replace(state, cancel_requested=1))


def _channel(state: InvocationState) -> str:
    return state.invocation_id if state.status.final else runner_channel(state.runner_id or "")


def end_cancelled(components: Components, claims: Sequence[Claim], runner_id: str) -> list[Claim]:
    """End those of a runner's new claims that were cancelled before; the others."""
    doomed = [each.state for each in claims if _is_doomed(each.state)]
    if doomed:
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
