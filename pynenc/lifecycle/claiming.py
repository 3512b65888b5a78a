"""Claiming: from a message to an invocation that this runner owns.

Order of writes: the record (compare and set to PENDING), then the acknowledgement. If the
runner dies between taking and claiming, the message comes back after its lease; if it dies
after claiming, the record tells who owned the invocation and recovery takes it back.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pynenc.broker.base_broker import Delivery
from pynenc.exceptions import InvocationError
from pynenc.identifiers.texts import class_name
from pynenc.invocation.claim import Claim
from pynenc.invocation.data import InvocationData, OutcomeData
from pynenc.invocation.state import Change, ChangeOutcome, InvocationState, changed, outcome_id
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.cancellation import end_cancelled
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.slots import acquire, release
from pynenc.lifecycle.submission import message_for
from pynenc.state_backend.base_state_backend import INVOCATION
from pynenc.storage.group import Group
from pynenc.storage.records import why_unreadable


def claim(
    components: Components, runner_id: str, queues: Sequence[str], limit: int, timeout_s: float | None
) -> list[Claim]:
    """Take messages and claim their invocations: two round trips.

    Args:
        components: The components.
        runner_id: Who claims.
        queues: Where to look, most important first.
        limit: Most invocations to claim.
        timeout_s: Longest wait for the first, in seconds.

    Returns:
        What was claimed. Stale and duplicate messages have fallen away, so it may be empty
        even though something was taken. It is PENDING and no more: if the reply is lost, so that
        nobody knows of the claim, it is taken back after `max_pending_seconds`; RUNNING would
        stay for as long as this runner lives.
    """
    deliveries = components.broker.take(queues, limit, timeout_s)
    if not deliveries:
        return []
    now = components.now()
    changes = [
        changed(_as_told(delivery), InvocationStatus.PENDING, runner_id, now) for delivery in deliveries
    ]
    ids = [delivery.message.invocation_id for delivery in deliveries]
    group = Group()
    outcomes = components.stage_change(group, changes, runner_id, lambda: states.get())
    components.broker.stage_ack(group, deliveries)
    states = components.orchestrator.stage_read_states(group, ids)
    data = components.state_backend.stage_read(group, InvocationData, ids)
    group.send()
    claims: list[Claim] = []
    bare: list[InvocationState] = []
    for change, outcome, state, known in zip(changes, outcomes.get(), states.get(), data.get(), strict=True):
        if not outcome.applied:
            _note_refusal(components, change, outcome)
        elif state is None or (state.status, state.runner_id, state.claim) != (
            change.target.status,
            runner_id,
            change.target.claim,
        ):
            continue  # somebody has taken it away already
        elif known is None:
            bare.append(state)
        else:
            claims.append(Claim(known, state))
    if bare:
        _end_bare(components, bare, runner_id)
    return _admitted(components, claims, runner_id)


def claim_awaited(
    components: Components, runner_id: str, invocation_ids: Sequence[str], limit: int
) -> list[Claim]:
    """Claim invocations past their queue, because a running one waits for them.

    Their messages fall away later: the claim number has moved on.

    Args:
        components: The components.
        runner_id: Who claims.
        invocation_ids: Candidates; those that cannot be run now are left alone.
        limit: Most invocations to claim.
    """
    now = components.now()
    states = components.orchestrator.read_states(invocation_ids)
    ready = [
        state
        for state in states
        if state is not None and state.status.is_available and state.not_before <= now
    ]
    changes = [changed(state, InvocationStatus.PENDING, runner_id, now) for state in ready[:limit]]
    if not changes:
        return []
    group = Group()
    outcomes = components.stage_change(group, changes, runner_id)
    ids = [change.target.invocation_id for change in changes]
    data = components.state_backend.stage_read(group, InvocationData, ids)
    group.send()
    claims = [
        Claim(known, change.target)
        for change, outcome, known in zip(changes, outcomes.get(), data.get(), strict=True)
        if outcome.applied and known is not None
    ]
    return _admitted(components, claims, runner_id)


def _admitted(components: Components, claims: list[Claim], runner_id: str) -> list[Claim]:
    """Return the new claims that may run: neither cancelled before nor kept out of a slot."""
    if any(each.state.cancel_requested for each in claims):
        claims = end_cancelled(components, claims, runner_id)
    if any(each.state.slot_key for each in claims):
        claims = acquire(components, claims, runner_id)
    return claims


def _end_bare(components: Components, states: Sequence[InvocationState], runner_id: str) -> None:
    """End invocations of which the state backend knows nothing: they can never run."""
    now, group = components.now(), Group()
    for state in states:
        reason = why_unreadable(INVOCATION, state.invocation_id)
        error = InvocationError(
            f"invocation {state.invocation_id} of task {state.task_id} cannot run: "
            + (
                f"its call cannot be read: {reason}"
                if reason
                else "its call is not in the state backend. Was that purged, or is it another one than "
                "that to which it was submitted?"
            )
        )
        components.logger.error("%s", error)
        key = outcome_id(state.invocation_id, state.claim)
        running = changed(state, InvocationStatus.RUNNING, runner_id, now)
        fields = {"error_type": class_name(type(error)), "outcome_id": key}
        failed = changed(running.target, InvocationStatus.FAILED, runner_id, now, **fields)
        outcome = OutcomeData(key, 1, components.values.pack_error(error))
        components.state_backend.stage_save_outcomes(group, [outcome])
        components.stage_change(group, [running, failed], runner_id)
    components.orchestrator.stage_announce(group, [state.invocation_id for state in states])
    group.send()


def _as_told(delivery: Delivery) -> InvocationState:
    """Return the record as the message tells it; the guard refuses the claim if that is stale."""
    message = delivery.message
    return InvocationState(message.invocation_id, "", InvocationStatus(message.status), claim=message.claim)


def _note_refusal(components: Components, change: Change, outcome: ChangeOutcome) -> None:
    components.logger.debug(
        "message of invocation %s (claim %d) fell away: the record is %s, claim %d",
        change.current.invocation_id,
        change.current.claim,
        outcome.status or "absent",
        outcome.claim,
    )


def hand_back_claimed(components: Components, claims: Sequence[Claim], runner_id: str) -> list[Claim]:
    """Return claimed invocations that were not started, to be claimed by anybody.

    Returns:
        Those that were started under the same claim all the same; they are as they were.
    """
    if not claims:
        return []
    now, group = components.now(), Group()
    changes = [changed(each.state, InvocationStatus.REROUTED, runner_id, now) for each in claims]
    replies = components.stage_change(group, changes, runner_id)
    components.broker.stage_push(group, [message_for(change.target) for change in changes])
    group.send()
    outcomes = replies.get()
    running = [
        Claim(each.data, msgspec.structs.replace(each.state, status=InvocationStatus.RUNNING))
        for each, outcome in zip(claims, outcomes, strict=True)
        if (outcome.status, outcome.runner_id, outcome.claim)
        == (InvocationStatus.RUNNING, runner_id, each.state.claim)
    ]
    kept = {each.data.invocation_id for each in running}
    given = [change.target for change in changes if change.target.invocation_id not in kept]
    release(components, given, runner_id)
    return running
