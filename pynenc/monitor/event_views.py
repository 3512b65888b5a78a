"""The contents of the pages of events and of what will happen next."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from heapq import nsmallest
from typing import Any

from pynenc.conf.text_maps import stored_texts
from pynenc.identifiers.texts import error_text
from pynenc.invocation.state import InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.parking import NEVER
from pynenc.monitor.masking import Masking
from pynenc.monitor.shown import Context
from pynenc.orchestrator.base_orchestrator import StateLookup
from pynenc.storage.record_store import Lookup
from pynenc.trigger.cron import CronSchedule, check_expression
from pynenc.trigger.definition import StoredTrigger
from pynenc.trigger.records import EventWait, Occurrence, TriggerRun, pause_mark, tick_mark
from pynenc.trigger.schedule import IntervalSchedule, Schedule

_MOST_EVENTS, _MOST_RUNS, _MOST_WAITS = 50, 500, 100
_MOST_SCHEDULES, _MOST_TICKS, _TICKS_EACH = 500, 100, 3
_MOST_DELAYED = 100
_SHOWN_PAYLOAD = 4096


def events(components: Components, masking: Masking, code: str) -> Context:
    """Return the latest events, what they have started, and who waits for some."""
    store = components.trigger
    equals = {"kind": "event", "code": code} if code else {"kind": "event"}
    found = store.find(Occurrence, Lookup(Occurrence, dict(equals), newest_first=True), _MOST_EVENTS)
    started: dict[str, list[TriggerRun]] = defaultdict(list)
    for run in store.find_runs(limit=_MOST_RUNS) if found else ():
        for occurrence_id in stored_texts(run.occurrences):
            started[occurrence_id].append(run)
    waits = store.find(EventWait, Lookup(EventWait, newest_first=True), _MOST_WAITS)
    return {
        "now": components.now(),
        "code": code,
        "events": [
            {
                "id": each.occurrence_id,
                "code": masking.text(each.code),
                "query": each.code,
                "at": each.at,
                "payload": masking.packed(each.payload)[:_SHOWN_PAYLOAD],
                "runs": [
                    (run.trigger_id, run.state.value, run.invocation_id)
                    for run in started[each.occurrence_id]
                ],
            }
            for each in found
        ],
        "waits": [
            {
                "invocation_id": each.invocation_id,
                "code": masking.text(each.code),
                "filter": masking.text(each.filter),
                "at": each.at,
                "buffered": each.buffered,
            }
            for each in waits
            if each.is_active
        ],
    }


def schedule(components: Components, masking: Masking) -> Context:
    """Return the next ticks of all schedules, and what is due later."""
    store, now = components.trigger, components.now()
    stored = store.find_definitions()
    ticks, broken = list[Context](), list[Context]()
    timed = [(each, index, condition) for each in stored for index, condition in _timed(each)]
    some = timed[:_MOST_SCHEDULES]
    paused = {
        each.trigger_id
        for each, mark in zip(
            stored, store.read_marks([pause_mark(each.trigger_id) for each in stored]), strict=True
        )
        if mark is not None
    }
    last = store.read_marks([tick_mark(each.trigger_id, index) for each, index, _ in some]) if some else []
    for (each, _, condition), mark in zip(some, last, strict=True):
        row = {
            "trigger_id": each.trigger_id,
            "name": masking.text(each.name),
            "task": masking.text(each.task_id),
            "when": masking.text(_told(condition)),
            "zone": masking.text(str(condition.get("timezone") or "UTC")),
            "last": mark.number if mark is not None else None,
            "is_paused": each.trigger_id in paused,
        }
        try:
            ticks += [{**row, "at": at} for at in _next(_schedule(condition), now)]
        except Exception as error:  # noqa: BLE001 - newer, damaged or hostile code has written it
            broken.append({**row, "problem": masking.text(error_text(error))})
    return {
        "now": now,
        "ticks": nsmallest(_MOST_TICKS, ticks, key=lambda row: float(row["at"])),
        "broken": broken,
        "more": max(0, len(timed) - _MOST_SCHEDULES),
        "delayed": [_delayed(each, masking) for each in _later(components, now)],
    }


def _timed(stored: StoredTrigger) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number and the stored form of each condition that is a schedule."""
    try:
        found = json.loads(stored.conditions)
    except (ValueError, RecursionError):
        return
    for index, each in enumerate(found if isinstance(found, list) else ()):
        if isinstance(each, dict) and each.get("kind") in ("cron", "interval"):
            yield index, each


def _told(condition: dict[str, Any]) -> str:
    if condition.get("kind") == "cron":
        return str(condition.get("expression"))
    return f"every {condition.get('seconds')} s"


def _schedule(condition: dict[str, Any]) -> Schedule:
    bounds = condition.get("starts_at"), condition.get("ends_at")
    if condition.get("kind") == "cron":
        expression = condition["expression"]
        check_expression(expression)
        return CronSchedule(expression, condition.get("timezone") or "UTC", *bounds)
    seconds = float(condition["seconds"])
    if not 0 < seconds < NEVER:
        raise ValueError(f"{seconds} is not a number of seconds")
    return IntervalSchedule(seconds, *bounds)


def _next(schedule: Schedule, now: float) -> Iterator[float]:
    moment = now
    for _ in range(_TICKS_EACH):
        tick = schedule.next_after(moment)
        if tick is None:
            return
        yield tick
        moment = tick


def _later(components: Components, now: float) -> list[InvocationState]:
    """Return what waits for its time, soonest first; what only an event wakes comes last."""
    found: list[InvocationState] = []
    for status in (InvocationStatus.RETRY, InvocationStatus.REGISTERED):
        lookup = StateLookup("status", status.value, now)
        found += components.orchestrator.look_up(lookup, _MOST_DELAYED)
    return sorted(found, key=lambda each: (each.since, each.invocation_id))[:_MOST_DELAYED]


def _delayed(state: InvocationState, masking: Masking) -> Context:
    return {
        "id": state.invocation_id,
        "task": masking.text(state.task_id),
        "status": state.status.value,
        "at": state.not_before if state.not_before < NEVER else None,
        "reason": masking.text(state.waits_for or (state.error_type or "")),
    }
