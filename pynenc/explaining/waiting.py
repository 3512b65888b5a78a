"""Explaining what can be run and does not run yet."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from pynenc.conf.config_task import ConcurrencyControlType
from pynenc.explaining.facts import Facts, LiveRunner
from pynenc.explaining.findings import Finding, many, one_line, ordinal, span
from pynenc.explaining.pace import in_line
from pynenc.invocation.state import InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.parking import NEVER
from pynenc.lifecycle.resending import SETTLE_S

_S = InvocationStatus
_START = "start one with 'pynenc runner start'"


def available(facts: Facts, state: InvocationState) -> Iterator[Finding]:
    """Explain a record that a runner may claim, now or when it is due."""
    is_due = state.not_before <= facts.now
    if state.blocked_since and facts.runners == []:
        yield _no_runner(facts, state)
    if state.is_parked:
        yield from _parked(facts, state)
    elif not is_due:
        yield _not_due(facts, state)
    if is_due:
        yield from _due(facts, state)
    elif facts.runners == [] and not state.blocked_since:
        sentence = "No runner is alive that would go on with it then."
        yield Finding("no_runner", "error", sentence, {"queue": state.queue}, _START)


def _no_runner(facts: Facts, state: InvocationState) -> Finding:
    sentence = f"No runner is alive, and it has been due for {span(facts.now - state.since)}."
    return Finding("no_runner", "error", sentence, {"queue": state.queue}, _START)


def _parked(facts: Facts, state: InvocationState) -> Iterator[Finding]:
    since = facts.now - state.changed_at
    evidence = {"waits_for": state.waits_for, "since": state.changed_at, "due": state.not_before}
    ends = f", and is due in {span(state.not_before - facts.now)} at the latest"
    until = "" if state.not_before >= NEVER else ends if state.not_before > facts.now else ", and is due"
    words = one_line(state.waits_for or "")
    if state.blocked_since:
        yield _blocked_by_code(facts, state)
        return
    what = f"It is asleep {words}" if words.startswith("until ") else f"It is parked and waits for {words}"
    yield Finding("parked", "info", f"{what}; it has done so for {span(since)}{until}.", evidence)
    for word in words.replace(",", " ").split():
        if len(word) == 32 and (other := facts.states_of([word]).get(word)) is not None:
            sentence = f"What it waits for, {word} of {other.task_id}, is {other.status}."
            yield Finding("awaited", "info", sentence, {"status": other.status.value}, None, word)


def _blocked_by_code(facts: Facts, state: InvocationState) -> Finding:
    age = span(facts.now - state.blocked_since)
    evidence = {"reason": state.waits_for, "since": state.blocked_since}
    if state.has_steps or state.is_pinned:
        sentence = f"For {age} no runner has had the code with which it began."
        advice = "start a runner with the code that it began with, or deploy that code again"
    else:
        sentence = f"For {age} no runner has known its task {state.task_id}, or been able to import it."
        advice = "start a runner whose code has the task, or name its module in 'task_modules'"
    return Finding("blocked_by_code", "error", sentence, evidence, advice)


def _not_due(facts: Facts, state: InvocationState) -> Finding:
    moment = datetime.fromtimestamp(min(state.not_before, NEVER - 1), UTC).isoformat(timespec="seconds")
    why = "a delay was asked for"
    if state.status == _S.RETRY and state.error_type:
        why = f"the {ordinal(state.retries)} retry after {state.error_type}"
    sentence = f"It is due in {span(state.not_before - facts.now)}, at {moment}: {why}."
    return Finding("not_due", "info", sentence, {"due": state.not_before, "retries": state.retries})


def _due(facts: Facts, state: InvocationState) -> Iterator[Finding]:
    consumers = _consumers(facts, state.queue)
    if facts.runners == []:
        if not state.blocked_since:
            yield _no_runner(facts, state)
    elif consumers is not None and not consumers:
        yield _no_consumer(facts, state)
    place, can_tell = facts.place(state)
    if place is None:
        if can_tell:
            yield _no_message(facts, state)
        return
    evidence = {
        "queue": place.queue,
        "before": place.before,
        "before_by_priority": place.before_by_priority,
        "priority": place.priority,
    }
    if place.held_until > facts.now:
        sentence = (
            f"A runner has taken its message from queue '{place.queue}' and is about to claim it; if it does "
            f"not, the message is there again in {span(place.held_until - facts.now)}."
        )
        yield Finding("message_taken", "info", sentence, {**evidence, "held_until": place.held_until})
    elif place.before_by_priority:
        sentence = (
            f"{many(place.before_by_priority, 'message')} of a higher priority than its {place.priority:g} "
            f"come first in queue '{place.queue}', and {place.before - place.before_by_priority:,} of the "
            f"same."
        )
        yield Finding("higher_priority", "info", sentence, evidence)
    elif place.before:
        verb = "is" if place.before == 1 else "are"
        pace, how_fast = in_line(facts, place.queue, place.before)
        sentence = f"{many(place.before, 'message')} {verb} before it in queue '{place.queue}'{pace}."
        yield Finding("in_line", "info", sentence, {**evidence, **how_fast})
    else:
        yield Finding("next_in_line", "info", f"It is next in queue '{place.queue}'.", evidence)
    if consumers:
        yield from _busy(facts, consumers, state.queue)


def _consumers(facts: Facts, queue: str) -> list[LiveRunner] | None:
    """Return the live runners that consume a queue, or may; None if the runners cannot be looked at."""
    alive = facts.top_runners
    return None if alive is None else [each for each in alive if each.queues is None or queue in each.queues]


def _no_consumer(facts: Facts, state: InvocationState) -> Finding:
    alive = facts.top_runners or []
    known = sorted({queue for each in alive for queue in each.queues or ()})
    verb = "runner is" if len(alive) == 1 else "runners are"
    sentence = (
        f"{len(alive)} {verb} alive, and none consumes queue '{state.queue}' "
        f"(they consume: {', '.join(known) or 'none'})."
    )
    draining = [each.runner_id for each in alive if each.data is not None and each.data.is_draining]
    advice = f"start a runner for it: 'pynenc runner start --queue {state.queue}'"
    if draining:
        sentence += f" {len(draining)} {'was' if len(draining) == 1 else 'were'} asked to claim nothing more."
        advice += f", or let one claim again: 'pynenc runner undrain {draining[0]}'"
    return Finding("no_consumer", "error", sentence, {"queue": state.queue, "consumed": known}, advice)


def _no_message(facts: Facts, state: InvocationState) -> Finding:
    age = facts.now - state.since
    sentence = "Its message is not in the queue"
    if age < SETTLE_S:
        return Finding(
            "message_taken", "info", f"{sentence}: a runner is about to claim it.", {"queue": state.queue}
        )
    if facts.leader is None:
        sentence += ", and no runner does the housekeeping that would queue it again."
        return Finding("message_lost", "error", sentence, {"queue": state.queue}, _START)
    sentence += f"; the housekeeping of runner {facts.leader} queues it again when the queue is empty."
    return Finding("message_lost", "warning", sentence, {"queue": state.queue, "leader": facts.leader})


def _busy(facts: Facts, consumers: list[LiveRunner], queue: str) -> Iterator[Finding]:
    ids = facts.with_workers(consumers)
    busy = [each for each in facts.running if each.runner_id in ids]
    verb = "consumes" if len(consumers) == 1 else "consume"
    sentence = f"{many(len(consumers), 'runner')} {verb} queue '{queue}'"
    if not busy:
        yield Finding(
            "consumers", "info", f"{sentence}, and nothing runs there now.", {"runners": len(consumers)}
        )
        return
    longest = busy[0]
    run = "runs" if len(consumers) == 1 else "run"
    sentence += (
        f" and {run} {many(len(busy), 'invocation')}, the longest for "
        f"{span(facts.now - longest.changed_at)}: {longest.task_id}."
    )
    evidence = {"runners": len(consumers), "running": len(busy), "longest": longest.invocation_id}
    yield Finding("busy", "info", sentence, evidence, None, longest.invocation_id)


def blocked(facts: Facts, state: InvocationState) -> Iterator[Finding]:
    """Explain a record that waits for its slot."""
    components, key = facts.components, state.slot_key or ""
    slots = facts.look("its slot", lambda: components.orchestrator.read_slots([key]))
    line = facts.look("the line for its slot", lambda: components.orchestrator.first_waiters(key, 1000)) or []
    ids = [each.invocation_id for each in line]
    place = ids.index(state.invocation_id) + 1 if state.invocation_id in ids else 0
    turn = "it is first in line" if place == 1 else f"it is {ordinal(place)} in line" if place else ""
    since = span(facts.now - state.changed_at)
    slot = slots[0] if slots else None
    holder = facts.states_of([slot.invocation_id]).get(slot.invocation_id) if slot is not None else None
    if slot is None or holder is None or holder.status.final:
        sentence = (
            f"It has waited for {since} for a slot that nobody holds; the housekeeping hands it on soon"
        )
        if facts.leader is None:
            yield Finding(
                "slot_free", "error", f"{sentence}, but no runner does that.", {"slot": key}, _START
            )
        else:
            yield Finding("slot_free", "warning", f"{sentence}.", {"slot": key})
        return
    evidence = {
        "slot": key,
        "holder": holder.invocation_id,
        "holder_status": holder.status.value,
        "line": len(line),
    }
    sentence = (
        f"It has waited for its turn for {since}: only one invocation {_scope(facts, state, holder)} may run "
        f"at a time; {holder.invocation_id} holds the slot and has been {holder.status} for "
        f"{span(facts.now - holder.changed_at)}{'; ' + turn if turn else ''}."
    )
    yield Finding("slot_held", "info", sentence, evidence, None, holder.invocation_id)
    if holder.runner_id is not None:
        silence = facts.silence_of(holder.runner_id)
        if silence is None or silence > components.conf.dead_after_seconds:
            sentence = f"The runner of {holder.invocation_id} gives no sign of life; it is taken back soon."
            yield Finding("holder_silent", "warning", sentence, {"runner_id": holder.runner_id})


def _scope(facts: Facts, state: InvocationState, holder: InvocationState) -> str:
    """Return among which invocations one may run at a time, in words."""
    options = facts.options_of(state.task_id)
    mode = None if options is None else options.running_concurrency
    task = "of its task" if holder.task_id == state.task_id else f"of {holder.task_id}"
    if mode == ConcurrencyControlType.KEYS:
        return f"{task} with equal key arguments"
    return f"{task} with equal arguments" if mode == ConcurrencyControlType.ARGUMENTS else task
