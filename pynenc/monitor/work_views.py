"""The contents of the pages of tasks and triggers."""

from __future__ import annotations

import json
from typing import Any

from pynenc.lifecycle.components import Components
from pynenc.lifecycle.rollups import SUBMITTED
from pynenc.metrics.history import activity, quantile
from pynenc.metrics.readings import Readings
from pynenc.monitor.masking import Masking
from pynenc.monitor.views import Context
from pynenc.recording.recorder import ENDED, STARTED
from pynenc.trigger.records import RunState, pause_mark

_DAY_S = 86_400.0
_MOST_TASKS, _MOST_TRIGGERS = 200, 100


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
    store = components.trigger
    stored = store.find_definitions()
    some = stored[:_MOST_TRIGGERS]
    paused = store.read_marks([pause_mark(each.trigger_id) for each in some]) if some else []
    problems = {each.trigger_id: each for each in store.find_problems()}
    rows = []
    for each, mark in zip(some, paused, strict=True):
        problem = problems.get(each.trigger_id)
        last = store.find_runs(each.trigger_id, limit=1)
        rows.append(
            {
                "id": each.trigger_id,
                "name": each.name,
                "task": masking.text(each.task_id),
                "when": _conditions(each.conditions, each.logic, masking),
                "is_paused": mark is not None,
                "problem": problem and masking.text(problem.error),
                "last": last[0] if last else None,
                "is_bad": problem is not None or bool(last and last[0].state == RunState.FAILED),
            }
        )
    return {"now": components.now(), "triggers": rows, "more": len(stored) - len(some)}


def _conditions(stored: str, logic: str, masking: Masking) -> str:
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
