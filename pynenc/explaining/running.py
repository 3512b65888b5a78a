"""Explaining what a runner holds: claimed, running, or waiting for others."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from pynenc.explaining.facts import Facts, evidence_of, who
from pynenc.explaining.findings import Finding, many, span
from pynenc.explaining.pace import usual_run_s
from pynenc.invocation.data import InvocationData
from pynenc.invocation.state import InvocationState
from pynenc.invocation.status import InvocationStatus

_S = InvocationStatus
_MOST_AWAITED = 100
_DEEPEST = 3
_START = "start a runner with 'pynenc runner start'"


def claimed(facts: Facts, state: InvocationState) -> Iterator[Finding]:
    """Explain a record that is PENDING."""
    age, patience = facts.now - state.changed_at, facts.components.conf.max_pending_seconds
    owner = facts.runner(state.runner_id or "")
    evidence = {**evidence_of(owner, state.runner_id), "since": state.changed_at}
    sentence = f"It was claimed {span(age)} ago by {who(owner, state.runner_id)}, and has not been started"
    if age <= patience:
        yield Finding("claimed", "info", f"{sentence} yet.", evidence)
    elif facts.leader is None:
        sentence += f"; after {span(patience)} the housekeeping takes it back, but no runner does that."
        yield Finding("claimed_too_long", "error", sentence, evidence, _START)
    else:
        sentence += f"; after {span(patience)} runner {facts.leader} takes it back."
        yield Finding("claimed_too_long", "warning", sentence, evidence)
    yield from _silent(facts, state)


def running(facts: Facts, state: InvocationState, data: InvocationData | None) -> Iterator[Finding]:
    """Explain a record that is RUNNING."""
    age, owner = facts.now - state.changed_at, facts.runner(state.runner_id or "")
    evidence = {
        **evidence_of(owner, state.runner_id),
        "since": state.changed_at,
        "attempt": state.retries + 1,
    }
    sentence = f"It has been running for {span(age)} in {who(owner, state.runner_id)}."
    timeout = data.timeout if data is not None else None
    silent = list(_silent(facts, state))
    yield from silent
    if timeout is not None and age > timeout and not silent:
        over = (
            f"It has been running for {span(age)}, and its timeout is {span(timeout)}: its body does not "
            f"listen to the request to end."
        )
        advice = "a body listens where it waits, or where it calls 'pynenc.check_interruption()'"
        yield Finding("over_time", "warning", over, {**evidence, "timeout": timeout}, advice)
    if state.cancel_requested:
        asked = "It was asked to end, and its body has not ended yet."
        yield Finding("asked_to_end", "info", asked, evidence)
    usual_s = usual_run_s(facts, state.task_id)
    if usual_s is not None:
        sentence += f" Of late 95 of 100 runs of its task have ended within {span(usual_s)}."
    yield Finding("running", "info", sentence, {**evidence, "timeout": timeout, "usual_s": usual_s})


def _silent(facts: Facts, state: InvocationState) -> Iterator[Finding]:
    """Find whether the owner of a record is gone."""
    if state.runner_id is None:
        return
    silence, patience = facts.silence_of(state.runner_id), facts.components.conf.dead_after_seconds
    if silence is not None and silence <= patience:
        return
    if any(each.code == "part_away" for each in facts.away):
        return
    told = "has ended" if silence is None else f"has given no sign of life for {span(silence)}"
    sentence = f"Its runner {state.runner_id} {told}"
    evidence = {"runner_id": state.runner_id, "silence": silence}
    if facts.leader is None:
        sentence += ", and no other does the housekeeping that would take it back."
        yield Finding("owner_gone", "error", sentence, evidence, _START)
    else:
        sentence += f"; runner {facts.leader} takes the invocation back within seconds."
        yield Finding("owner_gone", "warning", sentence, evidence)


def paused(facts: Facts, state: InvocationState) -> Iterator[Finding]:
    """Explain a record that is PAUSED: what it waits for, and what that waits for."""
    yield from _silent(facts, state)
    since = span(facts.now - state.changed_at)
    awaited = _awaited(state)
    if not awaited:
        yield Finding("waits", "info", f"Its body has waited for {since}.", {"since": state.changed_at})
        return
    seen, level, depth = {state.invocation_id}, awaited, 0
    while level and depth < _DEEPEST:
        known = facts.states_of(level[:_MOST_AWAITED])
        open_ones = [each for each in known.values() if not each.status.final]
        if depth == 0:
            yield _first_level(awaited, known, open_ones, since)
        elif open_ones:
            yield _deeper(open_ones, depth)
        following = [one for each in open_ones for one in _awaited(each)]
        if any(one in seen for one in following):
            sentence = "What it waits for waits for it: they are in a circle and will not go on."
            yield Finding("circle", "error", sentence, {}, "cancel one of them")
            return
        seen.update(level)
        level, depth = [one for one in dict.fromkeys(following) if one not in seen], depth + 1


def _awaited(state: InvocationState) -> list[str]:
    if state.status != _S.PAUSED or not state.waits_for:
        return []
    try:
        return msgspec.json.decode(state.waits_for, type=list[str])
    except (msgspec.MsgspecError, ValueError):
        return []


def _first_level(
    awaited: list[str], known: dict[str, InvocationState], open_ones: list[InvocationState], since: str
) -> Finding:
    evidence = {"awaited": awaited[:_MOST_AWAITED], "open": [each.invocation_id for each in open_ones]}
    if not open_ones:
        sentence = (
            f"It has waited for {many(len(awaited), 'invocation')} for {since}; those looked at have "
            f"ended, so it goes on at once."
        )
        return Finding("waits_for", "info", sentence, evidence)
    first = open_ones[0]
    if len(awaited) == 1:
        sentence = (
            f"It has waited for {first.invocation_id} of {first.task_id} for {since}; that is {first.status}."
        )
    else:
        sentence = (
            f"It has waited for {many(len(awaited), 'invocation')} for {since}; {len(open_ones):,} have not "
            f"ended, the first {first.invocation_id} of {first.task_id}, which is {first.status}."
        )
    return Finding("waits_for", "info", sentence, evidence, None, first.invocation_id)


def _deeper(open_ones: list[InvocationState], depth: int) -> Finding:
    first = open_ones[0]
    who = "That" if depth == 1 else "Which"
    sentence = f"{who} waits for {first.invocation_id} of {first.task_id}, which is {first.status}."
    return Finding(
        "waits_in_turn", "info", sentence, {"status": first.status.value}, None, first.invocation_id
    )


def passing(facts: Facts, state: InvocationState) -> Iterator[Finding]:
    """Explain a record that somebody leads on at once: KILLED, or being recovered."""
    since = span(facts.now - state.changed_at)
    sentence = f"Its runner stopped or was lost, {since} ago; it is queued again within seconds"
    if facts.leader is None:
        sentence += " of the start of a runner, and none is alive that does so."
        yield Finding("left_behind", "error", sentence, {}, _START)
    else:
        yield Finding("being_recovered", "info", f"{sentence}.", {"leader": facts.leader})
