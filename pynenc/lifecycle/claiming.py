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
from pynenc.invocation.claim import Claim
from pynenc.invocation.data import OutcomeData, outcome_id
from pynenc.invocation.state import Change, ChangeOutcome, InvocationState, changed
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.cancellation import end_cancelled
from pynenc.lifecycle.components import Ports
from pynenc.lifecycle.slots import acquire, release
from pynenc.lifecycle.submission import message_for
from pynenc.storage.group import Group


def claim(
    ports: Ports, runner_id: str, queues: Sequence[str], limit: int, timeout_s: float | None
) -> list[Claim]:
    """Take messages and claim their invocations: two round trips.

    Args:
        ports: The components.
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
    deliveries = ports.broker.take(queues, limit, timeout_s)
    if not deliveries:
        return []
    return claim_deliveries(ports, runner_id, deliveries)


def claim_deliveries(ports: Ports, runner_id: str, deliveries: Sequence[Delivery]) -> list[Claim]:
    """Claim the invocations of messages that were taken."""
    now = ports.now()
    changes = [
        changed(_as_told(delivery), InvocationStatus.PENDING, runner_id, now) for delivery in deliveries
    ]
    ids = [delivery.message.invocation_id for delivery in deliveries]
    group = Group()
    outcomes = ports.stage_change(group, changes, runner_id)
    ports.broker.stage_ack(group, deliveries)
    states = ports.orchestrator.stage_read(group, ids)
    data = ports.state_backend.stage_read_invocations(group, ids)
    group.send()
    claims: list[Claim] = []
    bare: list[InvocationState] = []
    for change, outcome, state, known in zip(changes, outcomes.get(), states.get(), data.get(), strict=True):
        if not outcome.applied:
            _note_refusal(ports, change, outcome)
        elif state is None or not _is_still(state, change.target):
            continue  # somebody has taken it away already
        elif known is None:
            bare.append(state)
        else:
            claims.append(Claim(known, state))
    if bare:
        _end_bare(ports, bare, runner_id)
    ports.hooks.status_changed([claimed.state for claimed in claims])
    return acquire(ports, end_cancelled(ports, claims, runner_id), runner_id)


def claim_awaited(ports: Ports, runner_id: str, invocation_ids: Sequence[str], limit: int) -> list[Claim]:
    """Claim invocations past their queue, because a running one waits for them.

    Their messages fall away later: the claim number has moved on.

    Args:
        ports: The components.
        runner_id: Who claims.
        invocation_ids: Candidates; those that cannot be run now are left alone.
        limit: Most invocations to claim.
    """
    now = ports.now()
    states = ports.orchestrator.read(invocation_ids)
    ready = [
        state
        for state in states
        if state is not None and state.status.is_available_for_run() and state.not_before <= now
    ]
    changes = [changed(state, InvocationStatus.PENDING, runner_id, now) for state in ready[:limit]]
    if not changes:
        return []
    group = Group()
    outcomes = ports.stage_change(group, changes, runner_id)
    ids = [change.target.invocation_id for change in changes]
    data = ports.state_backend.stage_read_invocations(group, ids)
    group.send()
    claims = [
        Claim(known, change.target)
        for change, outcome, known in zip(changes, outcomes.get(), data.get(), strict=True)
        if outcome.applied and known is not None
    ]
    ports.hooks.status_changed([claimed.state for claimed in claims])
    return acquire(ports, end_cancelled(ports, claims, runner_id), runner_id)


def _end_bare(ports: Ports, states: Sequence[InvocationState], runner_id: str) -> None:
    """End invocations of which the state backend knows nothing: they can never run."""
    now, group = ports.now(), Group()
    for state in states:
        error = InvocationError(
            f"invocation {state.invocation_id} of task {state.task_id} cannot run: its call is gone from "
            f"the state backend, which was purged or is not the one that it was submitted to"
        )
        ports.logger.error("%s", error)
        key = outcome_id(state.invocation_id, state.claim)
        running = changed(state, InvocationStatus.RUNNING, runner_id, now)
        failed = changed(running.target, InvocationStatus.FAILED, runner_id, now, outcome_id=key)
        outcome = OutcomeData(key, 1, ports.values.pack_error(error))
        ports.state_backend.stage_save_outcomes(group, [outcome])
        ports.stage_change(group, [running, failed], runner_id)
    ports.orchestrator.stage_announce(group, [state.invocation_id for state in states])
    group.send()


def _as_told(delivery: Delivery) -> InvocationState:
    """The record as the message tells it; the guard refuses the claim if that is stale."""
    message = delivery.message
    return InvocationState(message.invocation_id, "", InvocationStatus(message.status), claim=message.claim)


def _is_still(state: InvocationState, target: InvocationState) -> bool:
    return (state.status, state.runner_id, state.claim) == (
        target.status,
        target.runner_id,
        target.claim,
    )


def _note_refusal(ports: Ports, change: Change, outcome: ChangeOutcome) -> None:
    ports.logger.debug(
        "message of invocation %s (claim %d) fell away: the record is %s, claim %d",
        change.current.invocation_id,
        change.current.claim,
        outcome.status or "absent",
        outcome.claim,
    )


def give_back(ports: Ports, claims: Sequence[Claim], runner_id: str) -> list[Claim]:
    """Return claimed invocations that were not started, to be claimed by anybody.

    Returns:
        Those that were started under the same claim all the same; they are as they were.
    """
    if not claims:
        return []
    now, group = ports.now(), Group()
    changes = [changed(each.state, InvocationStatus.REROUTED, runner_id, now) for each in claims]
    replies = ports.stage_change(group, changes, runner_id)
    ports.broker.stage_push(group, [message_for(change.target) for change in changes])
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
    release(ports, given, runner_id)
    return running
