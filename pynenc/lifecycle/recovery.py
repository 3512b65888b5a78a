"""Recovery: no invocation stays with a runner that is gone, and none without a message.

Everything here may run at any time, twice, and on several machines at once: each change is a
compare and set, and pushing what is queued already does nothing. A change from one status to
the next that was interrupted half way is found by the status it left behind.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from pynenc.exceptions import RecoveryLimitError
from pynenc.invocation.data import OutcomeData
from pynenc.invocation.state import Change, InvocationState, changed, recovery_outcome_id
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle import slots
from pynenc.lifecycle.cancellation import cancel_children
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.failures import note_failure
from pynenc.lifecycle.resending import SETTLE_S, pages, push_forgotten
from pynenc.lifecycle.run_log import log_recovered
from pynenc.lifecycle.submission import message_for
from pynenc.recording.recorder import RECOVERED
from pynenc.serializer.exception_data import readable
from pynenc.storage.group import Group

_S = InvocationStatus


def recover_runners(components: Components, runner_ids: Collection[str], actor_id: str) -> int:
    """Take back everything that runners known to be gone still own.

    Returns:
        How many invocations were taken back.
    """
    gone = frozenset(runner_ids)
    taken = _take_back(
        components, None, lambda states: [each for each in states if each.runner_id in gone], actor_id
    )
    components.orchestrator.forget_runners(sorted(gone))
    return taken


def recover(components: Components, actor_id: str) -> int:
    """Return one pass over all that is overdue by the clock.

    Returns:
        How many invocations were taken back or queued again.
    """
    return (
        recover_owned(components, actor_id)
        + recover_pending(components, actor_id)
        + recover_waiting(components, actor_id)
        + push_forgotten(components, components.orchestrator.now() - SETTLE_S)
    )


def recover_owned(components: Components, actor_id: str) -> int:
    """Take back what runners own that give no signs of life; how many invocations that were."""
    dead_before = components.orchestrator.now() - components.conf.dead_after_seconds

    def of_the_dead(states: Sequence[InvocationState]) -> list[InvocationState]:
        owners = sorted({state.runner_id for state in states if state.runner_id})
        beats = dict(zip(owners, components.orchestrator.last_heartbeats(owners), strict=True))
        silent = {owner for owner, beat in beats.items() if beat is None or beat < dead_before}
        return [state for state in states if state.runner_id in silent]

    return _take_back(components, dead_before, of_the_dead, actor_id)


def recover_pending(components: Components, actor_id: str) -> int:
    """Take back what was claimed and not started in time; how many invocations that were."""
    before = components.orchestrator.now() - components.conf.max_pending_seconds
    return sum(reroute(components, states, actor_id) for states in pages(components, _S.PENDING, before))


def recover_waiting(components: Components, actor_id: str) -> int:
    """Go on with what a crash left half way or without its slot.

    Returns:
        How many invocations were led on.
    """
    now, recovered = components.orchestrator.now(), 0
    for status in [each for each in _S if each.is_passing]:
        for states in pages(components, status, now - SETTLE_S):
            recovered += reroute(components, states, actor_id)
    return recovered + wake_blocked(components, now, actor_id)


def _take_back(
    components: Components,
    before: float | None,
    choose: Callable[[Sequence[InvocationState]], list[InvocationState]],
    actor_id: str,
) -> int:
    taken = 0
    for status in [each for each in _S if each.needs_owner]:
        for states in pages(components, status, before):
            chosen = choose(states)
            if chosen:
                taken += reroute(components, chosen, actor_id)
    return taken


def reroute(components: Components, states: Sequence[InvocationState], actor_id: str) -> int:
    """Lead records from where they stand to REROUTED and push their messages.

    One that took down its runner more than `max_recoveries` times ends as FAILED instead.

    Returns:
        How many were rerouted or ended.
    """
    now, group = components.now(), Group()
    for state in states:
        if state.cancel_requested and state.cancels_children and not state.ends_by_itself:
            cancel_children(components, [state.invocation_id], actor_id)
    steps: list[list[Change]] = [_way_back(components, state, actor_id, now) for state in states]
    failed = [way[-1].target for way in steps if way[-1].target.status == _S.FAILED]
    components.state_backend.stage_save_outcomes(group, [_gave_up(components, state) for state in failed])
    replies = [components.stage_change(group, way, actor_id) for way in steps]
    again = [way[-1].target for way in steps if way[-1].target.status == _S.REROUTED]
    if again:
        components.broker.stage_push(group, [message_for(state) for state in again])
    ended = [way[-1].target.invocation_id for way in steps if way[-1].target.status.final]
    if ended:
        components.orchestrator.stage_announce(group, ended)
    group.send()
    done = [way[-1].target for way, reply in zip(steps, replies, strict=True) if reply.get()[-1].applied]
    owned = {state.invocation_id: state for state in states if state.status.needs_owner}
    for target in done:
        before = owned.get(target.invocation_id)
        if before is not None and target.recoveries > before.recoveries:
            log_recovered(components, before, target, actor_id)
            if target.status == _S.FAILED:
                error = readable(_limit_error(components, target), 1000, 1000)
                note_failure(
                    components, target.task_id, target.invocation_id, error, target.changed_at, is_final=True
                )
            components.recorder.note((RECOVERED, target.task_id, target.queue, "", 0.0))
    slots.release(components, done, actor_id)
    return len(done)


def _way_back(components: Components, state: InvocationState, actor_id: str, now: float) -> list[Change]:
    """Return the changes that lead a record to REROUTED, or to its end."""
    way: list[Change] = []
    if state.status == _S.PENDING:
        way.append(changed(state, _S.PENDING_RECOVERY, actor_id, now))
    elif state.status in (_S.RUNNING, _S.PAUSED):
        recoveries = state.recoveries + 1
        way.append(changed(state, _S.RUNNING_RECOVERY, actor_id, now, recoveries=recoveries))
    current = way[-1].target if way else state
    if current.status == _S.RUNNING_RECOVERY and current.recoveries > components.conf.max_recoveries:
        key = recovery_outcome_id(current.invocation_id, current.claim)
        fields = {"error_type": RecoveryLimitError.__name__, "outcome_id": key}
        way.append(changed(current, _S.FAILED, actor_id, now, **fields))
        return way
    way.append(changed(current, _S.REROUTED, actor_id, now))
    if state.cancel_requested and not state.ends_by_itself:
        way.append(changed(way[-1].target, _S.CANCELLED, actor_id, now))
    return way


def _gave_up(components: Components, state: InvocationState) -> OutcomeData:
    key = recovery_outcome_id(state.invocation_id, state.claim)
    return OutcomeData(key, 1, components.values.pack_error(_limit_error(components, state)))


def _limit_error(components: Components, state: InvocationState) -> RecoveryLimitError:
    return RecoveryLimitError(
        f"invocation {state.invocation_id} of task {state.task_id} took down its runner "
        f"{state.recoveries} times; it is not run again (setting 'max_recoveries' is "
        f"{components.conf.max_recoveries})"
    )


def wake_blocked(components: Components, now: float, actor_id: str) -> int:
    """Hand on slots that came free while nobody noticed; how many invocations were woken."""
    woken = 0
    for states in pages(components, _S.CONCURRENCY_CONTROLLED, now - SETTLE_S):
        keys = [state.slot_key for state in states if state.slot_key is not None]
        woken += slots.hand_on(components, keys, actor_id)
    return woken
