"""Starting and finishing what a runner has claimed.

Order of writes: the outcome under its claim number, the record (compare and set), the message
of another run, the wake-up. The final status names the claim that won and only that outcome
is ever read, so a result is visible exactly when the status says so, and a runner that lost
its ownership can save what it likes: nobody sees it.
"""

from __future__ import annotations

from collections.abc import Sequence
from logging import DEBUG
from typing import Any

import msgspec

from pynenc.exceptions import WaitCycleError
from pynenc.invocation.claim import Claim
from pynenc.invocation.data import OutcomeData
from pynenc.invocation.packed_text import REFERENCE
from pynenc.invocation.state import (
    Change,
    ChangeOutcome,
    InvocationState,
    changed,
    claim_of_outcome,
    is_done,
    is_kept_attempt,
    outcome_id,
)
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle import deadlocks as deadlocks
from pynenc.lifecycle import slots
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.failures import note_failure
from pynenc.lifecycle.parking import NEVER, Parking, park, run_again, signal_invocations
from pynenc.lifecycle.run_log import Failure, log_failure, log_run
from pynenc.lifecycle.submission import index_cached_results, message_for
from pynenc.recording.recorder import ENDED, LOST, PARKED, PAUSED, REROUTED, RETRIED, STARTED
from pynenc.state_backend.base_state_backend import OUTCOME
from pynenc.storage.group import Group, Pending
from pynenc.storage.record_store import Remove, Save

_TRIES = 3


class Finished(msgspec.Struct, frozen=True):
    """The end of a claim's run.

    Attributes:
        claim: What ran.
        status: SUCCESS, FAILED, CANCELLED or RETRY.
        payload: The packed result or exception; for RETRY after a failure its record, else empty.
        not_before: For RETRY: when to run again, in seconds since the epoch; 0 for at once.
        parking: For RETRY: that the body has not failed, but waits.
        has_steps: Whether the body has recorded steps.
        failure: For FAILED, and RETRY after a failure: the exception.
        seconds: The time that the run took.
    """

    claim: Claim
    status: InvocationStatus
    payload: str
    not_before: float = 0.0
    parking: Parking | None = None
    has_steps: bool = False
    failure: Failure | None = None
    seconds: float = 0.0


class StepResult(msgspec.Struct, frozen=True):
    """The outcome of a step.

    Attributes:
        started: The claims that are RUNNING now; those that were lost are missing.
        lost: Those finished whose ownership was lost, so that their end does not count.
    """

    started: list[Claim]
    lost: list[Finished]


def finish_and_start(
    components: Components, runner_id: str, finished: Sequence[Finished], starting: Sequence[Claim]
) -> StepResult:
    """Finish some claims and start others, in one round trip where components share a storage."""
    now, group = components.now(), Group()
    ends = [_end(each, runner_id, now) for each in finished]
    running = InvocationStatus.RUNNING
    version = components.conf.code_version
    starts = [changed(each.state, running, runner_id, now, waits_for=None) for each in starting]
    if version is not None:
        starts = [_with_version(change, version) for change in starts]
    if any(change.target.cache_key for change in ends):
        index_cached_results(components, [change.target for change in ends])
    outcomes = [
        OutcomeData(
            outcome_id(each.claim.state.invocation_id, each.claim.state.claim),
            int(each.status != InvocationStatus.SUCCESS),
            each.payload,
        )
        for each in finished
        if each.payload or each.status.has_outcome
    ]
    stale = [
        each.claim.state.outcome_id
        for each, change in zip(finished, ends, strict=True)
        if each.claim.state.outcome_id not in (None, change.target.outcome_id)
    ]
    if any(REFERENCE in each.payload for each in outcomes):
        components.state_backend.note_uses(OUTCOME, outcomes, group=group)
    if outcomes:
        components.state_backend.stage_write(group, [Save(each) for each in outcomes])
    if components.progress.left and finished:
        ran = [(each.claim.state.invocation_id, each.claim.state.claim) for each in finished]
        components.progress.stage(group, ran)
    if stale:
        _drop_attempts(components, group, stale)
    replies = components.stage_change(group, [*ends, *starts], runner_id)
    again = [
        change.target
        for change in ends
        if change.target.status == InvocationStatus.RETRY and change.target.not_before < NEVER
    ]
    if again:
        components.broker.stage_push(group, [message_for(state) for state in again])
    final = [change.target.invocation_id for change in ends if change.target.status.final]
    if final:
        components.orchestrator.stage_announce(group, final)
    group.send()
    applied = [
        reply.applied or is_done(change, reply)
        for change, reply in zip([*ends, *starts], replies.get(), strict=True)
    ]
    if any(each.parking is not None and not done for each, done in zip(finished, applied, strict=False)):
        _run_again(components, runner_id, finished, ends, applied)
    lost = [each for each, done in zip(finished, applied, strict=False) if not done]
    started = [
        Claim(each.data, change.target)
        for each, change, done in zip(starting, starts, applied[len(ends) :], strict=True)
        if done
    ]
    gone = [
        each.outcome_id
        for each, reply in zip((change.target for change in ends), replies.get(), strict=False)
        if reply.status is None and not reply.applied and each.outcome_id
    ]
    if gone:  # the record was purged meanwhile, and would never be found again to delete the outcome
        components.state_backend.delete_outcomes(gone)
    for each in lost:
        components.logger.warning(
            "invocation %s ended as %s here, but this runner had lost it: its end does not count",
            each.claim.state.invocation_id,
            each.status,
        )
    if any(change.target.slot_key for change in ends):
        done = [change.target for change, was_applied in zip(ends, applied, strict=False) if was_applied]
        slots.release(components, done, runner_id)
    if any(change.target.is_workflow for change in ends):
        _tell_parents(components, finished, ends, applied, runner_id)
    # Last: if something before it fails, all of this is done again, and is told once all the same.
    note = components.recorder.note  # not in functions of their own: this is the way of every run
    for each, change, was_applied in zip(finished, ends, applied, strict=False):
        target = change.target
        if not was_applied:
            note((LOST, target.task_id, target.queue, "", 0.0))
        elif target.status.final:
            note((ENDED, target.task_id, target.queue, target.status.value, each.seconds))
        else:
            note((PARKED if each.parking is not None else RETRIED, target.task_id, target.queue, "", 0.0))
    for claim in started:
        state = claim.state
        due = state.not_before or (claim.data.created_at if state.claim == 1 else now + 1.0)
        note((STARTED, state.task_id, state.queue, "", max(now - due, 0.0) if due <= now else -1.0))
    if any(each.failure is not None for each in finished) or components.logger.isEnabledFor(DEBUG):
        _log(components, finished, ends, applied, started)
    return StepResult(started, lost)


def _drop_attempts(components: Components, group: Group, outcome_ids: Sequence[str | None]) -> None:
    """Delete what failed attempts have left, as a step of a group; those of the first claims are kept."""
    removes = [
        Remove(OutcomeData, each)
        for each in outcome_ids
        if each is not None and not is_kept_attempt(claim_of_outcome(each))
    ]
    if removes:
        components.state_backend.stage_write(group, removes)


def _with_version(start: Change, version: str) -> Change:
    """Return the start of a workflow that notes with which code it began; any other as it is."""
    if not start.target.is_workflow or start.target.code_version is not None:
        return start
    return Change(start.current, msgspec.structs.replace(start.target, code_version=version), start.also)


def _tell_parents(
    components: Components,
    finished: Sequence[Finished],
    ends: Sequence[Change],
    applied: Sequence[bool],
    runner_id: str,
) -> None:
    """Wake those that are parked because they wait for a workflow which has ended now."""
    found = {
        each.claim.data.parent_invocation_id
        for each, change, was_applied in zip(finished, ends, applied, strict=False)
        if was_applied and change.target.is_workflow and change.target.status.final
    }
    parents = sorted(parent for parent in found if parent is not None)
    if parents:
        signal_invocations(components, parents, runner_id, lambda state: {"events": state.events + 1})


def _run_again(
    components: Components,
    runner_id: str,
    finished: Sequence[Finished],
    ends: list[Change],
    applied: list[bool],
) -> None:
    """Queue those that could not be parked, because an event or a request to cancel has reached them."""
    now, group = components.now(), Group()
    refused = [at for at, each in enumerate(finished) if each.parking is not None and not applied[at]]
    if not refused:
        return
    for at in refused:
        parking = finished[at].parking
        assert parking is not None
        ends[at] = run_again(finished[at].claim.state, parking, runner_id, now)
    replies = components.stage_change(group, [ends[at] for at in refused], runner_id)
    # The message for the time it would have been due is queued already under its claim; it gets another.
    pending = [changed(ends[at].target, InvocationStatus.PENDING, runner_id, now) for at in refused]
    again = [changed(change.target, InvocationStatus.REROUTED, runner_id, now) for change in pending]
    components.stage_change(group, [*pending, *again], runner_id)
    components.broker.stage_push(group, [message_for(change.target) for change in again])
    group.send()
    for at, reply in zip(refused, replies.get(), strict=True):
        applied[at] = reply.applied or is_done(ends[at], reply)


def pause(
    components: Components, claim: Claim, runner_id: str, awaited: Sequence[str] = ()
) -> InvocationState | None:
    """Note that a running invocation waits; its state then, or None if it was lost.

    Raises:
        WaitCycleError: What it waits for waits for it; it is RUNNING again.
    """
    waits_for = deadlocks.note(awaited)
    paused = _move(components, claim.state, InvocationStatus.PAUSED, runner_id, waits_for)
    if paused is not None:
        components.recorder.note((PAUSED, paused.task_id, paused.queue, "", 0.0))
    if paused is not None and awaited:
        try:
            deadlocks.check_cycle(components, claim.state.invocation_id, awaited)
        except WaitCycleError:
            resume(components, paused, runner_id)
            raise
    return paused


def resume(components: Components, paused: InvocationState, runner_id: str) -> InvocationState | None:
    """Note that an invocation goes on after waiting; its state then, or None if it was lost."""
    return _move(components, paused, InvocationStatus.RUNNING, runner_id)


def _move(
    components: Components,
    state: InvocationState,
    wanted: InvocationStatus,
    runner_id: str,
    waits_for: str | None = None,
) -> InvocationState | None:
    change = changed(state, wanted, runner_id, components.now(), waits_for=waits_for)
    group = Group()
    pending = components.stage_change(group, [change], runner_id)
    group.send()
    (reply,) = pending.get()
    if not (reply.applied or is_done(change, reply)):
        return None
    return change.target


def hand_back_running(components: Components, claims: Sequence[Claim], runner_id: str) -> None:
    """Hand back invocations that are still running when their runner stops.

    What their bodies still do does not count: the runner has given up its ownership.
    """
    owned = {claim.state.invocation_id: claim.state.claim for claim in claims}
    for _ in range(_TRIES):
        found = components.orchestrator.read_states(list(owned))
        mine = [
            state
            for state in found
            if state is not None
            and state.status.needs_owner
            and (state.runner_id, state.claim) == (runner_id, owned[state.invocation_id])
        ]
        if not mine:
            break
        _hand_back(components, mine, runner_id)  # one that pauses or goes on meanwhile is looked at again
    slots.release(components, [claim.state for claim in claims], runner_id)


def _hand_back(components: Components, states: Sequence[InvocationState], runner_id: str) -> None:
    now, group = components.now(), Group()
    replies: list[Pending[list[ChangeOutcome]]] = []
    for state in states:
        killed = changed(state, InvocationStatus.KILLED, runner_id, now)
        again = changed(killed.target, InvocationStatus.REROUTED, runner_id, now)
        replies.append(components.stage_change(group, [killed, again], runner_id))
        components.broker.stage_push(group, [message_for(again.target)])
    group.send()
    for each in replies:
        if each.get()[-1].applied:
            components.recorder.note((REROUTED, "", "", "", 0.0))


def _end(each: Finished, runner_id: str, now: float) -> Change:
    state = each.claim.state
    steps = {"has_steps": 1} if each.has_steps else {}
    if each.parking is not None:
        return park(state, each.parking, runner_id, now)
    if each.status == InvocationStatus.RETRY:
        fields: dict[str, Any] = {
            "retries": state.retries + 1,
            "not_before": each.not_before,
            "blocked_since": 0.0,
            "outcome_id": outcome_id(state.invocation_id, state.claim) if each.payload else None,
            "error_type": None if each.failure is None else each.failure.type_name,
        }
        return changed(state, each.status, runner_id, now, **fields, **steps)
    if not each.status.has_outcome:
        return changed(state, each.status, runner_id, now, **steps)
    key = outcome_id(state.invocation_id, state.claim)
    error_type = None if each.failure is None else each.failure.type_name
    fields = {"outcome_id": key, "error_type": error_type}
    return changed(state, each.status, runner_id, now, **fields, **steps)


def _log(
    components: Components,
    finished: Sequence[Finished],
    ends: Sequence[Change],
    applied: Sequence[bool],
    started: Sequence[Claim],
) -> None:
    """Log and note what was applied: failures, and for those who look closely every start and end."""
    for each, change, was_applied in zip(finished, ends, applied, strict=False):
        if was_applied and each.failure is not None:
            target, error = change.target, each.failure.error
            is_final = target.status == InvocationStatus.FAILED
            note_failure(components, target.task_id, target.invocation_id, error, target.changed_at, is_final)
            log_failure(components, each.claim, target, each.failure, each.seconds)
        elif was_applied:
            log_run(components, f"ended as {change.target.status}", each.claim, each.seconds)
    for claim in started:
        log_run(components, "started", claim)
