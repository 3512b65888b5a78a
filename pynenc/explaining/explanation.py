"""Putting an explanation together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from pynenc.calls.interfaces import App
from pynenc.conf.config_task import ConfigTask
from pynenc.explaining import ending, running, waiting
from pynenc.explaining.facts import Facts
from pynenc.explaining.findings import Explanation, Finding, span
from pynenc.identifiers.texts import shown, storable
from pynenc.invocation.data import InvocationData
from pynenc.invocation.state import InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.components import Components
from pynenc.serializer.exception_data import readable
from pynenc.state_backend.base_state_backend import INVOCATION
from pynenc.storage.records import why_unreadable

_S = InvocationStatus
_SKEW_S = 0.5
_LONGEST = 10_000


def explain(app: App, invocation_id: str) -> Explanation:
    """Return why an invocation waits, failed, ran again, or is where it is.

    Nothing that is stored is deserialized, and no module is imported. A part of the system that does
    not answer is a finding, not an error.

    Args:
        app: The app.
        invocation_id: The invocation.

    Raises:
        TypeError: The id is not a string.
    """
    if not isinstance(invocation_id, str):
        raise TypeError(f"invocation_id={shown(invocation_id, 80)} is not a string")

    def options_of(task_key: str) -> ConfigTask | None:
        known = (task for task_id, task in app.tasks.items() if task_id.key == task_key)
        task = next(known, None)
        return None if task is None else task.conf

    if app.conf.dev_mode_force_sync_tasks:
        return inline_explanation(invocation_id, app.inline_records.find(invocation_id))
    return explained(app.components, storable(invocation_id), options_of)


def inline_explanation(invocation_id: str, handle: Any) -> Explanation:
    """Return the explanation of an inline invocation; `handle` is None if it is not kept."""
    if handle is None:
        sentence = "No call with this id has run inline in this process, or it is not kept any more."
        found, status = Finding("unknown", "warning", sentence), None
    elif handle.error is not None:
        failure = readable(handle.error, _LONGEST, _LONGEST)
        sentence = f"It ran inline, in this process, and failed with {ending.told(failure)}"
        found, status = Finding("failed", "error", sentence), handle.status.value
    else:
        found = Finding("succeeded", "info", "It ran inline, in this process, and ended well.")
        status = handle.status.value
    return Explanation(invocation_id, status, found.sentence, [found], time.time())


def explained(
    components: Components, invocation_id: str, options_of: Callable[[str], ConfigTask | None]
) -> Explanation:
    """Return the explanation of an invocation; `options_of` returns the settings of a task that is known."""
    facts = Facts(components, invocation_id, options_of)
    state, data = facts.record
    if state is None:
        findings = list(_unknown(facts, data))
    else:
        findings = [
            *_by_status(facts, state, data),
            *ending.attempts(facts, state),
            *_always(facts, state, data),
        ]
    findings = [*findings, *facts.away]
    if not findings:
        findings = [Finding("nothing", "info", "There is nothing to say about it.")]
    status = None if state is None else state.status.value
    return Explanation(invocation_id, status, findings[0].sentence, findings, facts.now)


def _unknown(facts: Facts, data: InvocationData | None) -> Iterator[Finding]:
    if facts.away:
        return
    hours = facts.components.orchestrator.conf.auto_final_invocation_purge_hours
    reason = why_unreadable("status", facts.invocation_id) or why_unreadable(INVOCATION, facts.invocation_id)
    if reason:
        yield Finding("unreadable", "error", f"What is stored under this id cannot be read: {reason}")
    elif data is not None:
        sentence = (
            "Its call is stored and was never accepted: the process that made it ended in between, or "
            "another call took its place. It is deleted after a while."
        )
        yield Finding("never_accepted", "warning", sentence, {"created": data.created_at})
    else:
        kept = f"are kept for {span(hours * 3600)}" if hours else "are kept until they are deleted"
        yield Finding("unknown", "warning", f"Nothing is stored under this id. Ended invocations {kept}.")


def _by_status(facts: Facts, state: InvocationState, data: InvocationData | None) -> Iterator[Finding]:
    status = state.status
    if status.is_available:
        yield from waiting.available(facts, state)
    elif status == _S.CONCURRENCY_CONTROLLED:
        yield from waiting.blocked(facts, state)
    elif status == _S.PENDING:
        yield from running.claimed(facts, state)
    elif status == _S.RUNNING:
        yield from running.running(facts, state, data)
    elif status == _S.PAUSED:
        yield from running.paused(facts, state)
    elif status == _S.FAILED:
        yield from ending.failed(facts, state)
    elif status == _S.CANCELLED:
        yield from ending.cancelled(facts, state)
    elif status == _S.CONCURRENCY_CONTROLLED_FINAL:
        yield from ending.controlled(facts, state)
    elif status == _S.SUCCESS:
        yield from ending.succeeded(facts, state, data)
    else:
        yield from running.passing(facts, state)


def _always(facts: Facts, state: InvocationState, data: InvocationData | None) -> Iterator[Finding]:
    """Find what is worth knowing whatever the status is."""
    if data is None:
        reason = why_unreadable(INVOCATION, state.invocation_id)
        sentence = (
            f"Its call cannot be read: {reason}" if reason else "Its call is not stored, so it cannot run."
        )
        yield Finding("call_missing", "error", sentence)
    elif data.triggered_by is not None:
        yield _trigger(facts, data)
    if state.cancel_requested and not state.status.final and state.status != _S.RUNNING:
        yield Finding("asked_to_end", "info", "It was asked to end, and ends when it would go on.")
    if not state.status.final:
        if facts.leader is None and facts.runners:
            sentence = (
                "No runner does the housekeeping; one that is not about to stop takes it over within seconds."
            )
            yield Finding("no_leader", "warning", sentence)
        skew = facts.now - time.time()
        if facts.now and abs(skew) > _SKEW_S:
            sentence = f"The clock of this machine is {span(abs(skew))} off the clock that runners share."
            yield Finding("clock", "warning", sentence, {"difference": skew}, "keep clocks in step by NTP")


def _trigger(facts: Facts, data: InvocationData) -> Finding:
    run_id = data.triggered_by or ""
    runs = facts.look("its trigger", lambda: facts.components.trigger.read_runs([run_id]))
    run = runs[0] if runs else None
    if run is None:
        return Finding("triggered", "info", f"A trigger started it, with run {run_id}.", {"run_id": run_id})
    sentence = f"Trigger {run.trigger_id} started it: {run.cause}."
    return Finding("triggered", "info", sentence, {"run_id": run_id, "trigger_id": run.trigger_id})
