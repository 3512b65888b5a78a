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
from pynenc.invocation.status import InvocationStatus
from pynenc.orchestrator.base_orchestrator import Change, ChangeOutcome, InvocationState
from pynenc.orchestrator.cancellation import end_cancelled
from pynenc.orchestrator.claim import Claim
from pynenc.orchestrator.ports import Ports, changed, message_for
from pynenc.orchestrator.slots import acquire, release
from pynenc.state_backend.base_state_backend import OutcomeData, outcome_id
from pynenc.storage.group import Group


def claim(
    ports: Ports,
    runner_id: str,
    queues: Sequence[str],
    limit: int,
    timeout_s: float | None,
    starts: int = 0,
) -> list[Claim]:
    """Take messages and claim their invocations: two round trips.

    Args:
        ports: The components.
        runner_id: Who claims.
        queues: Where to look, most important first.
        limit: Most invocations to claim.
        timeout_s: Longest wait for the first, in seconds.
        starts: How many of the first to start as well, where nothing speaks against it.

    Returns:
        What was claimed, PENDING or RUNNING. Stale and duplicate messages have fallen away, so it
        may be empty even though something was taken.
    """
    deliveries = ports.broker.take(queues, limit, timeout_s)
    if not deliveries:
        return []
    return claim_deliveries(ports, runner_id, deliveries, starts)


def claim_deliveries(
    ports: Ports, runner_id: str, deliveries: Sequence[Delivery], starts: int = 0
) -> list[Claim]:
    """Claim the invocations of messages that were taken, and start the first of them."""
    now = ports.now()
    changes = [
        changed(_as_told(delivery), InvocationStatus.PENDING, runner_id, now) for delivery in deliveries
    ]
    ids = [delivery.message.invocation_id for delivery in deliveries]
    group = Group()
    outcomes = ports.orchestrator.stage_change(group, changes, runner_id)
    starting = [
        msgspec.structs.replace(
            changed(change.target, InvocationStatus.RUNNING, runner_id, now), if_free=True
        )
        for change in changes[:starts]
    ]
    begun = ports.orchestrator.stage_change(group, starting, runner_id)
    ports.broker.stage_ack(group, deliveries)
    states = ports.orchestrator.stage_read(group, ids)
    data = ports.state_backend.stage_read_invocations(group, ids)
    group.send()
    claims: list[Claim] = []
    bare: list[InvocationState] = []
    targets = {change.target.invocation_id: change.target for change in changes}
    for change, outcome in zip(starting, begun.get(), strict=True):
        if outcome.applied:
            targets[change.target.invocation_id] = change.target
    for change, outcome, state, known in zip(changes, outcomes.get(), states.get(), data.get(), strict=True):
        target = targets[change.target.invocation_id]
        if not outcome.applied:
            _note_refusal(ports, change, outcome)
        elif state is None or not _is_still(state, target):
            continue  # somebody has taken it away already
        elif known is None:
            bare.append(state)
        else:
            claims.append(Claim(known, state))
    if bare:
        _end_bare(ports, bare, runner_id)
    owned = {each.data.invocation_id for each in claims}
    ports.hooks.status_changed([change.target for change in changes if change.target.invocation_id in owned])
    running = [each for each in claims if each.state.status == InvocationStatus.RUNNING]
    pending = [each for each in claims if each.state.status == InvocationStatus.PENDING]
    ports.hooks.status_changed([each.state for each in running])
    return running + acquire(ports, end_cancelled(ports, pending, runner_id), runner_id)


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
    outcomes = ports.orchestrator.stage_change(group, changes, runner_id)
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
        way: list[Change] = []
        if state.status == InvocationStatus.PENDING:
            way.append(changed(state, InvocationStatus.RUNNING, runner_id, now))
        current = way[-1].target if way else state
        way.append(changed(current, InvocationStatus.FAILED, runner_id, now, outcome_id=key))
        outcome = OutcomeData(key, 1, ports.values.pack_error(error))
        ports.state_backend.stage_save_outcomes(group, [outcome])
        ports.orchestrator.stage_change(group, way, runner_id)
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


def give_back(ports: Ports, claims: Sequence[Claim], runner_id: str) -> None:
    """Return claimed invocations that were not started, to be claimed by anybody."""
    if not claims:
        return
    now, group = ports.now(), Group()
    changes = [changed(each.state, InvocationStatus.REROUTED, runner_id, now) for each in claims]
    ports.orchestrator.stage_change(group, changes, runner_id)
    ports.broker.stage_push(group, [message_for(change.target) for change in changes])
    group.send()
    release(ports, [change.target for change in changes], runner_id)
