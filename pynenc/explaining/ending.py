"""Explaining what has ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from pynenc.explaining.facts import Facts, evidence_of, who
from pynenc.explaining.findings import Finding, many, one_line, span
from pynenc.identifiers.texts import bare_name
from pynenc.identifiers.tracebacks import place_of
from pynenc.invocation.data import InvocationData
from pynenc.invocation.state import HistoryEntry, InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.serializer.exception_data import ExceptionData

_S = InvocationStatus


def told(failure: ExceptionData) -> str:
    """Return a failure in words: the class, the place, and the message if there is one."""
    place = place_of(failure.traceback)
    where = f" in {place}" if place is not None else ""
    message = f": {one_line(failure.message)}" if failure.message.strip() else "."
    return f"{bare_name(failure.type_name)}{where}{message}"


def failed(facts: Facts, state: InvocationState) -> Iterator[Finding]:
    """Explain a record that is FAILED."""
    failure = facts.failures.get(state.claim)
    name = state.error_type or "an exception"
    if failure is None:
        sentence = f"It failed with {name}, and what was stored of that is gone or cannot be read."
        yield Finding("failed", "error", sentence, {"error_type": state.error_type})
        return
    place = place_of(failure.traceback)
    evidence = {"type": failure.type_name, "message": failure.message, "place": str(place) if place else None}
    yield Finding("failed", "error", f"It failed with {told(failure)}", evidence)
    yield from _why_not_again(facts, state, bare_name(failure.type_name))


def _why_not_again(facts: Facts, state: InvocationState, name: str) -> Iterator[Finding]:
    tries = state.retries + 1
    if name == "RecoveryLimitError":
        most = facts.components.conf.max_recoveries
        sentence = f"Its runner was lost {many(state.recoveries, 'time')}, and 'max_recoveries' is {most}."
        yield Finding("recovery_limit", "error", sentence, {"recoveries": state.recoveries, "limit": most})
        return
    options = facts.options_of(state.task_id)
    if options is None:
        yield Finding("tried", "info", f"It was tried {many(tries, 'time')}.", {"tries": tries})
    elif not options.max_retries:
        yield Finding(
            "not_retried", "info", "It was not tried again: 'max_retries' of the task is 0.", {"tries": tries}
        )
    elif state.retries >= options.max_retries:
        sentence = f"It was tried {tries} of {options.max_retries + 1} times."
        yield Finding("tried_out", "info", sentence, {"tries": tries, "max_retries": options.max_retries})
    else:
        known = ", ".join(each.__name__ for each in options.retry_for)
        sentence = f"It was not tried again: {name} is not among the exceptions in 'retry_for' ({known})."
        yield Finding("not_retried", "info", sentence, {"retry_for": known, "tries": tries})


def cancelled(facts: Facts, state: InvocationState) -> Iterator[Finding]:
    """Explain a record that is CANCELLED."""
    last = facts.history[-1] if facts.history else None
    actor = last.runner_id if last is not None else None
    data = facts.runner(actor) if actor else None
    moment = f", {span(facts.now - state.changed_at)} ago" if facts.now else ""
    had_begun = any(each.status == _S.RUNNING for each in facts.history)
    what = "while it ran" if had_begun else "before it ran"
    sentence = f"It was cancelled {what}{moment}, by {who(data, actor)}."
    yield Finding("cancelled", "info", sentence, dict(evidence_of(data, actor)))


def controlled(facts: Facts, state: InvocationState) -> Iterator[Finding]:
    """Explain a record that never ran because of concurrency control."""
    if state.waits_for:
        reason = one_line(state.waits_for.removeprefix("nothing: "))
        yield Finding("superseded", "info", f"It never ran: {reason}.", {})
        return
    sentence = (
        "It never ran: another invocation held its slot when its turn came, and its task does not wait for "
        "the slot ('reroute_on_concurrency_control' is off)."
    )
    yield Finding("slot_was_held", "info", sentence, {"slot": state.slot_key})


def succeeded(facts: Facts, state: InvocationState, data: InvocationData | None) -> Iterator[Finding]:
    """Explain a record that is SUCCESS: how long it waited and ran."""
    waited, ran = _phases(facts.history)
    total = state.changed_at - (data.created_at if data is not None else state.changed_at)
    sentence = f"It ended well: it waited {span(waited)} and ran {span(ran)}, {span(total)} in all."
    yield Finding("succeeded", "info", sentence, {"waited": waited, "ran": ran, "total": total})


def _phases(history: Sequence[HistoryEntry]) -> tuple[float, float]:
    """Return the seconds in which it waited to run, and in which it ran or waited for others."""
    waited = ran = 0.0
    for entry, following in pairwise(history):
        seconds = (following.timestamp - entry.timestamp).total_seconds()
        if entry.status in (_S.RUNNING, _S.PAUSED):
            ran += seconds
        else:
            waited += seconds
    return waited, ran


def attempts(facts: Facts, state: InvocationState) -> Iterator[Finding]:
    """Tell of the attempts before the last, and of runners that were lost."""
    before = {
        claim: each for claim, each in facts.failures.items() if claim < state.claim or not state.status.final
    }
    if state.status == _S.FAILED:
        before.pop(state.claim, None)
    if before:
        claim, last = list(before.items())[-1]
        yield _attempt(claim, last, len(before), state)
    lost = [each for each in facts.history if each.status == _S.RUNNING_RECOVERY]
    if lost:
        sentence = f"It was taken back from a lost runner {many(len(lost), 'time')}."
        yield Finding(
            "recovered", "warning", sentence, {"times": [each.timestamp.timestamp() for each in lost]}
        )


def _attempt(claim: int, failure: ExceptionData, count: int, state: InvocationState) -> Finding:
    what = "An attempt failed" if count == 1 else f"{count} attempts failed, the last"
    sentence = f"{what} with {told(failure)}"
    evidence = {
        "claim": claim,
        "type": failure.type_name,
        "message": failure.message,
        "retries": state.retries,
    }
    return Finding("attempt_failed", "warning", sentence, evidence)
