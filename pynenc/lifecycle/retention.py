"""Retention: what nothing needs any more is deleted, a page at a time.

Each kind of leftover has a function that goes over it once and yields after every page, so that
the one who deletes can stop at any time and go on later. All of it may run twice, be interrupted
anywhere, and run on several machines at once: what decides is read anew, and what was left half
way is found again.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

import msgspec

from pynenc.invocation.data import InvocationData
from pynenc.invocation.state import Change, InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle import slots
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.group_retention import Groups
from pynenc.lifecycle.observation_retention import (
    Going,
    old_actions,
    old_alerts,
    old_failure_groups,
    old_failure_samples,
    old_loads,
    old_log_lines,
    old_rollups,
)
from pynenc.lifecycle.value_retention import large_values
from pynenc.state_backend.base_state_backend import INVOCATION
from pynenc.state_backend.count_records import HOUR, MINUTE
from pynenc.state_backend.progress_records import ProgressData
from pynenc.state_backend.workflow_records import ARGUMENTS, WorkflowEvent, step_id
from pynenc.storage.operations import Cursor
from pynenc.storage.record_store import Lookup, key_of
from pynenc.storage.records import may_be_unreadable
from pynenc.trigger.records import EventWait

_ROUND_S = 600.0
_LEFTOVERS_S = 86400.0
_SILENT_S = 600.0
_PAGE = 200


class Retention:
    """Goes over all that may be deleted, in rounds, a slice at a time.

    Args:
        components: Of the app whose settings say how long what is kept.

    Attributes:
        round_s: Seconds from the begin of one round to the next.
    """

    def __init__(self, components: Components) -> None:
        self._components = components
        self._keep_s = components.orchestrator.conf.auto_final_invocation_purge_hours * 3600
        self._events_s = components.trigger.conf.event_retention_days * 86400
        self._runners_s = components.state_backend.conf.runner_retention_hours * 3600
        self._window_s = components.values.sharing_window_s
        kept = [each for each in (self._keep_s, self._events_s, self._runners_s, self._window_s) if each]
        self.round_s = max(1.0, min(_ROUND_S, min(kept) / 4))
        self._going: deque[tuple[str, Going]] = deque()

    @property
    def is_busy(self) -> bool:
        """True while a round goes on."""
        return bool(self._going)

    def begin(self) -> None:
        """Begin a round."""
        components, now = self._components, self._components.orchestrator.now()
        leftovers = now - (self._keep_s or _LEFTOVERS_S)
        self._going.extend(
            (
                ("calls that were never accepted", calls_without_record(components, leftovers)),
                ("events for invocations that are gone", sent_events(components, leftovers)),
                ("waits of ended invocations", ended_waits(components, leftovers)),
                ("large values", large_values(components, now, max(self._window_s, self._keep_s / 4))),
            )
        )
        conf = components.conf
        minutes, hours = now - conf.rollup_minutes_hours * 3600, now - conf.rollup_hours_days * 86400
        self._going.append(("counts of minutes", old_rollups(components, MINUTE, minutes)))
        self._going.append(("counts of hours", old_rollups(components, HOUR, hours)))
        self._going.append(("loads of runners", old_loads(components, now - _SILENT_S)))
        self._going.append(("progress", old_progress(components, leftovers)))
        self._going.append(("log lines", old_log_lines(components, now - conf.log_hours * 3600)))
        self._going.append(("actions", old_actions(components, now - conf.audit_days * 86400)))
        failures = now - conf.failure_days * 86400
        self._going.append(("failures", old_failure_samples(components, failures)))
        self._going.append(("groups of failures", old_failure_groups(components, failures)))
        self._going.append(("alerts that are over", old_alerts(components, now - conf.alert_days * 86400)))
        if self._keep_s:
            self._going.append(("ended invocations", ended_invocations(components, now - self._keep_s)))
        if self._events_s:
            self._going.append(("records of triggers", trigger_records(components, now - self._events_s)))
        if self._runners_s:
            self._going.append(("silent runners", silent_runners(components, now - self._runners_s)))

    def work(self, budget_s: float) -> bool:
        """Do pages of each kind in turn for so many seconds, at least one; return whether there are more.

        A kind that fails is left for the next round; the others go on.
        """
        until = time.monotonic() + budget_s
        while self._going:
            what, going = self._going.popleft()
            try:
                next(going)
                self._going.append((what, going))
            except StopIteration:
                pass
            except Exception as error:  # noqa: BLE001 - the others go on, and this one in the next round
                self._components.outages.tell(error, "deleting %s failed; the next round follows", what)
            if time.monotonic() >= until:
                break
        return self.is_busy


def purge_ended(components: Components, before: float) -> int:
    """Delete invocations that ended before a moment, also those that cannot be read; how many that were."""
    return sum(ended_invocations(components, before, unreadable_too=True))


def ended_invocations(components: Components, before: float, unreadable_too: bool = False) -> Going:
    """Delete invocations that ended before a moment.

    Those of a workflow that goes on stay, because its body may ask for their results again. First the
    record lets go of its outcome, so that nothing which a late runner still saves can be seen; the
    record itself goes last, so what an interrupted purge leaves is found again.
    """
    groups = Groups(components, before)
    for status in [each for each in InvocationStatus if each.final]:
        after: Cursor | None = None
        while states := components.orchestrator.find_states(status, before, _PAGE, after):
            after = Cursor(states[-1].since, states[-1].invocation_id)
            over = _not_needed(components, states, groups, unreadable_too)
            for state in over:
                if state.has_steps or state.is_workflow:
                    components.state_backend.forget_workflows([state.invocation_id])
                    yield 0
            if over:
                _purge(components, over)
            yield len(over)


def purge_some(components: Components, ended: Sequence[InvocationState]) -> list[InvocationState]:
    """Delete some invocations that have ended, as far as nobody needs them; return which were deleted."""
    over = _not_needed(components, ended, Groups(components, components.orchestrator.now()), False)
    for state in over:
        if state.has_steps or state.is_workflow:
            components.state_backend.forget_workflows([state.invocation_id])
    if over:
        _purge(components, over)
    return over


def _purge(components: Components, over: Sequence[InvocationState]) -> None:
    slots.forget(components, over)
    bare = [msgspec.structs.replace(state, outcome_id=None) for state in over]
    components.orchestrator.change(
        [Change(state, target) for state, target in zip(over, bare, strict=True)], None
    )
    components.state_backend.delete_tags([state.invocation_id for state in over if state.is_tagged])
    components.state_backend.delete([(state.invocation_id, state.claim) for state in over])
    left = [state.outcome_id for state in over if state.outcome_id and not state.status.has_outcome]
    if left:  # of attempts that failed before they were cancelled
        components.state_backend.delete_outcomes(left)
    components.orchestrator.delete(over)


def _not_needed(
    components: Components, states: Sequence[InvocationState], groups: Groups, unreadable_too: bool
) -> list[InvocationState]:
    """Return those that belong to no group and no workflow that goes on, or to what it has continued from.

    A call that cannot be read may belong to one: perhaps only this process lacks the key.
    """
    now = components.orchestrator.now()
    states = [state for state in states if state.kept_until <= now and groups.is_over(state.group)]
    data = components.state_backend.read_invocations([state.invocation_id for state in states])
    roots = {
        root
        for each in data
        if each is not None
        for root in (each.workflow_id, each.parent_workflow_id)
        if root is not None and root != each.invocation_id
    }
    needs_since = _open_since(components, sorted(roots)) if roots else {}
    retried = _going_on(components, states)
    return [
        state
        for state, each in zip(states, data, strict=True)
        if state.invocation_id not in retried and _is_over(state, each, needs_since, unreadable_too)
    ]


def _is_over(
    state: InvocationState,
    data: InvocationData | None,
    needs_since: Mapping[str | None, float],
    unreadable_too: bool,
) -> bool:
    if data is None:
        return unreadable_too or not may_be_unreadable(INVOCATION, state.invocation_id)
    roots = (data.workflow_id, data.parent_workflow_id)
    return not any(root in needs_since and data.created_at >= needs_since[root] for root in roots)


def _going_on(components: Components, states: Sequence[InvocationState]) -> set[str]:
    """Return those that were retried, by an invocation that goes on from their record and has not ended."""
    origins: dict[str | None, str] = {
        state.retried_as: state.invocation_id for state in states if state.retried_as is not None
    }
    found: set[str] = set()
    seen: set[str | None] = set(origins)
    while origins:
        known = components.orchestrator.read_states([each for each in origins if each is not None])
        following: dict[str | None, str] = {}
        for state in known:
            if state is None:
                continue
            origin = origins[state.invocation_id]
            if not state.status.final:
                found.add(origin)
            elif state.retried_as is not None and state.retried_as not in seen:
                seen.add(state.retried_as)
                following[state.retried_as] = origin
        origins = following
    return found


def _open_since(components: Components, roots: Sequence[str]) -> dict[str | None, float]:
    """Return workflows that go on, with the moment from which their bodies may ask for children again.

    A body that has continued as new asks for none of those which it started before that.
    """
    found = components.orchestrator.read_states(roots)
    going = [root for root in found if root is not None and not root.status.final]
    since: dict[str | None, float] = {root.invocation_id: 0.0 for root in going}
    ended = [root for root in found if root is not None and root.status.final]
    since |= dict.fromkeys(_going_on(components, ended), 0.0)
    continued = [root for root in going if root.generation]
    if continued:
        keys = [step_id(each.invocation_id, each.generation, ARGUMENTS, 0) for each in continued]
        begins = components.state_backend.read_steps(keys)
        since |= {step.invocation_id: step.at for step in begins if step is not None}
    return since


def calls_without_record(components: Components, before: float) -> Going:
    """Delete calls of before a moment that were saved and never accepted, because a crash came between.

    What one of them was to go on from goes first, so that it is found as long as any of it is there.
    """
    store = components.state_backend

    def delete(ids: Sequence[str]) -> None:
        store.forget_workflows(ids)
        store.delete([(each, 0) for each in ids])

    return _leftovers(
        components,
        lambda after: store.find_invocations(until=before, limit=_PAGE, after=after),
        "created_at",
        lambda state: state is None,
        delete,
    )


def old_progress(components: Components, before: float) -> Going:
    """Delete reports of before a moment of invocations that are gone."""
    store, reports = components.state_backend, Lookup(ProgressData, high=before)
    return _leftovers(
        components,
        lambda after: store.find(ProgressData, reports, _PAGE, after),
        "at",
        lambda state: state is None,
        store.delete_progress,
    )


def sent_events(components: Components, before: float) -> Going:
    """Delete events that were sent before a moment to invocations that are gone."""
    store = components.state_backend
    return _leftovers(
        components,
        lambda after: store.find_old_events(before, _PAGE, after),
        "at",
        lambda state: state is None,
        store.delete_events,
    )


def ended_waits(components: Components, before: float) -> Going:
    """Delete waits for events that began before a moment in invocations that have ended."""
    store = components.trigger
    return _leftovers(
        components,
        lambda after: store.find_old_waits(before, _PAGE, after),
        "at",
        lambda state: state is None or state.status.final,
        store.delete_waits,
    )


def _leftovers(
    components: Components,
    find: Callable[[Cursor | None], Sequence[InvocationData | WorkflowEvent | EventWait | ProgressData]],
    order: str,
    is_over: Callable[[InvocationState | None], bool],
    delete: Callable[[Sequence[str]], None],
) -> Going:
    """Delete records of invocations whose status record says that they are not needed.

    Args:
        components: The components.
        find: Returns the page behind a position.
        order: The field by which the pages are ordered.
        is_over: Decides by the status record, None where there is none.
        delete: Deletes records by their keys.
    """
    after: Cursor | None = None
    while page := find(after):
        after = Cursor(getattr(page[-1], order), key_of(page[-1]))
        states = components.orchestrator.read_states([each.invocation_id for each in page])
        over = [key_of(each) for each, state in zip(page, states, strict=True) if is_over(state)]
        if over:
            delete(over)
        yield len(over)


def trigger_records(components: Components, before: float) -> Going:
    """Delete evaluated events, runs of triggers and what waited for them, all of before a moment."""
    while forgotten := components.trigger.forget(before):
        yield forgotten


def silent_runners(components: Components, before: float) -> Going:
    """Delete runners and clients that were last in use before a moment and send no heartbeats."""
    now = components.orchestrator.now()
    after: Cursor | None = None
    while runners := components.state_backend.find_runners(before, _PAGE, after):
        after = Cursor(runners[-1].seen_at, runners[-1].runner_id)
        ids = [each.runner_id for each in runners]
        beats = dict(zip(ids, components.orchestrator.last_heartbeats(ids), strict=True))
        alive = [each for each, beat in beats.items() if beat is not None]
        gone = [each for each, beat in beats.items() if beat is None]
        if alive:
            components.state_backend.note_seen(alive, now)
        if gone:
            components.state_backend.delete_runners(gone)
        yield len(gone)
