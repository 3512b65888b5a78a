"""The contents of the pages of tasks and triggers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pynenc.lifecycle.components import Components
from pynenc.lifecycle.rollups import SUBMITTED
from pynenc.metrics.history import activity, quantile
from pynenc.metrics.readings import Readings
from pynenc.monitor.action_views import trail_of
from pynenc.monitor.masking import Masking
from pynenc.monitor.shown import Context
from pynenc.recording.recorder import ENDED, STARTED
from pynenc.trigger.definition import StoredTrigger
from pynenc.trigger.records import RunState, pause_mark

_DAY_S = 86_400.0
_MOST_TASKS, _MOST_TRIGGERS = 200, 100
_RUNS = 50


def tasks(components: Components, masking: Masking) -> Context:
    """Return how each task did in the last day, those that ran most first."""
    look = Readings(components)
    counts = look.recent(_DAY_S, with_pauses=True)
    by_task, rows = counts.by_first_label(), list[Context]()
    for name in {name for kind in (SUBMITTED, STARTED, ENDED) for name in counts.numbers_by(kind, 0)}:
        done = activity(by_task[name], look.now - _DAY_S, look.now, name)
        rows.append(
            {
                "task": masking.text(name),
                "query": name,
                "submitted": done.submitted,
                "started": done.started,
                "failed": done.failed,
                "share": done.failed / done.ended if done.ended else None,
                "retried": done.retried,
                "run_s": done.run_s,
                "run_p95_s": done.run_p95_s,
                "wait_p95_s": quantile(by_task[name].times("wait"), 0.95),
            }
        )
    rows.sort(key=lambda row: (-row["started"], row["task"]))
    return {"now": look.now, "tasks": rows[:_MOST_TASKS], "more": max(0, len(rows) - _MOST_TASKS)}


def triggers(components: Components, masking: Masking) -> Context:
    """Return what starts by itself, as it is stored: no function of it is called."""
    stored = components.trigger.find_definitions()
    rows = _trigger_rows(components, masking, stored[:_MOST_TRIGGERS])
    return {"now": components.now(), "triggers": rows, "more": max(0, len(stored) - _MOST_TRIGGERS)}


def trigger(components: Components, masking: Masking, trigger_id: str) -> Context | None:
    """Return what is known of a trigger, with its latest runs; None if it is not stored."""
    (stored,) = components.trigger.read_definitions([trigger_id])
    if stored is None:
        return None
    (row,) = _trigger_rows(components, masking, [stored])
    runs = components.trigger.find_runs(trigger_id, limit=_RUNS)
    return {
        "now": components.now(),
        **row,
        "arguments": masking.packed(stored.arguments),
        "options": masking.packed(stored.options),
        "runs": [
            {
                "at": each.at,
                "state": each.state.value,
                "cause": masking.text(each.cause),
                "invocation_id": each.invocation_id,
                "reason": masking.text(each.reason or ""),
                "attempts": each.attempts,
            }
            for each in runs
        ],
        "trail": trail_of(components, masking, trigger_id),
    }


def _trigger_rows(components: Components, masking: Masking, stored: Sequence[StoredTrigger]) -> list[Context]:
    store = components.trigger
    paused = store.read_marks([pause_mark(each.trigger_id) for each in stored]) if stored else []
    problems = {each.trigger_id: each for each in store.find_problems()}
    rows = []
    for each, mark in zip(stored, paused, strict=True):
        problem = problems.get(each.trigger_id)
        last = store.find_runs(each.trigger_id, limit=1)
        rows.append(
            {
                "id": each.trigger_id,
                "name": each.name,
                "task": masking.text(each.task_id),
                "when": conditions_of(each.conditions, each.logic, masking),
                "is_paused": mark is not None,
                "problem": problem and masking.text(problem.error),
                "last": last[0] if last else None,
                "is_bad": problem is not None or bool(last and last[0].state == RunState.FAILED),
            }
        )
    return rows


def conditions_of(stored: str, logic: str, masking: Masking) -> str:
    """Return stored conditions in a line, such as `cron */5 * * * * (UTC)`."""
    try:
        found = json.loads(stored)
        parts = [_condition(each) for each in found]
    except (ValueError, RecursionError, TypeError, AttributeError):
        return masking.text(stored)
    return masking.text(f" {logic} ".join(parts))


def _condition(stored: dict[str, Any]) -> str:
    rest = dict(stored)
    kind = str(rest.pop("kind", "?"))
    main = [str(rest.pop(name)) for name in ("expression", "seconds", "code", "task_id") if rest.get(name)]
    more = [f"{name} {json.dumps(value)}" for name, value in sorted(rest.items()) if value]
    return " ".join([kind, *main]) + (f" ({', '.join(more)})" if more else "")
