"""The contents of the pages of one invocation, one task and one runner."""

from __future__ import annotations

from pynenc.conf.headers import stored_headers
from pynenc.conf.tags import tag_texts
from pynenc.exceptions import ClientDataNotFoundError
from pynenc.explaining.explanation import explained
from pynenc.explaining.facts import who
from pynenc.invocation.state import InvocationState
from pynenc.lifecycle.components import Components
from pynenc.metrics.failures import failures
from pynenc.metrics.history import history, quantile
from pynenc.metrics.readings import Readings
from pynenc.monitor.action_views import trail_of
from pynenc.monitor.failure_views import failure_row
from pynenc.monitor.masking import Masking
from pynenc.monitor.shown import Context
from pynenc.monitor.views import Views, log_line
from pynenc.recording.counts import Counts, Histogram
from pynenc.search.filters import Filter
from pynenc.search.page import PRESS
from pynenc.search.query_text import parse_query
from pynenc.search.scan import search
from pynenc.state_backend.log_records import LogLine
from pynenc.state_backend.workflow_records import Step
from pynenc.storage.operations import Cursor
from pynenc.storage.record_store import Lookup

_CHILDREN, _STEPS, _LATEST = 10, 200, 20
_DAY_S, _POINTS = 86_400.0, 48
_MOST_GROUPS = 50


def invocation(
    components: Components, masking: Masking, invocation_id: str, steps_from: str = ""
) -> Context | None:
    """Return all that is known of an invocation, None if it is not stored.

    Args:
        components: The components.
        masking: Shows stored texts.
        invocation_id: Which.
        steps_from: The place behind which its steps are shown; empty for the first.
    """
    (data,) = components.state_backend.read_invocations([invocation_id])
    (state,) = components.orchestrator.read_states([invocation_id])
    if data is None and state is None:
        return None
    children = next(components.state_backend.pages_of_children(invocation_id, _CHILDREN + 1), [])
    states = components.orchestrator.read_states([each.invocation_id for each in children])
    owner = state.runner_id if state is not None else None
    (runner,) = components.state_backend.read_runners([owner]) if owner else [None]
    logged = Lookup(LogLine, {"invocation_id": invocation_id}, newest_first=True)
    lines = components.state_backend.find(LogLine, logged, 50)
    return {
        "now": components.now(),
        "invocation_id": invocation_id,
        "data": data,
        "state": state,
        "findings": _findings(components, masking, invocation_id),
        "arguments": masking.arguments(data.arguments) if data is not None else [],
        "headers": masking.headers(stored_headers(data.headers)) if data is not None else [],
        "tags": masking.tags(tag_texts(data.tags)) if data is not None else [],
        "owner": who(runner, owner) if owner else None,
        "history": components.orchestrator.history(invocation_id),
        "outcome": _outcome(components, masking, state),
        "children": [
            (child.invocation_id, child.task_id, found.status.value if found else "unknown")
            for child, found in zip(children[:_CHILDREN], states, strict=False)
        ],
        "more_children": len(children) > _CHILDREN,
        "progress": _progress(components, masking, state),
        "logs": [log_line(each, masking) for each in reversed(lines)],
        **_steps(components, masking, state, steps_from),
        "trail": trail_of(components, masking, invocation_id),
    }


def _progress(components: Components, masking: Masking, state: InvocationState | None) -> Context | None:
    """Return how far its body says that it has come, None if it has not said."""
    report = None if state is None else components.progress.latest(state)
    if report is None:
        return None
    return {
        "done": report.done,
        "total": report.total,
        "fraction": report.fraction,
        "message": masking.text(report.message or ""),
        "text": str(report._replace(message=None)),
        "at": report.at.timestamp(),
    }


def _findings(components: Components, masking: Masking, invocation_id: str) -> list[Context]:
    """Return why it is where it is; the first finding is the answer."""
    found = explained(components, invocation_id, lambda _: None).findings
    return [
        {
            "severity": each.severity,
            "sentence": masking.text(each.sentence),
            "advice": masking.text(each.advice or ""),
            "related": each.related,
        }
        for each in found
    ]


def _outcome(components: Components, masking: Masking, state: InvocationState | None) -> Context | None:
    """Return the result or the last exception as stored text, None if there is none."""
    if state is None or state.outcome_id is None:
        return None
    (outcome,) = components.state_backend.read_outcomes([state.outcome_id])
    if outcome is None:
        return None
    if not outcome.is_error:
        return {"result": masking.named("result", outcome.payload)}
    try:
        (error,) = components.values.failures([outcome.payload])
    except ClientDataNotFoundError:
        error = None
    if error is None:
        return {"result": masking.packed(outcome.payload)}
    return {
        "error": masking.text(f"{error.type_name}: {error.message}"),
        "traceback": masking.text(error.traceback),
    }


def _steps(
    components: Components, masking: Masking, state: InvocationState | None, steps_from: str
) -> Context:
    """Return a page of the steps of an invocation, and the place at which the next begins."""
    if state is None or not (state.is_workflow or state.has_steps):
        return {"steps": [], "next_steps": None}
    at, _, key = steps_from.partition(":")
    try:
        after = Cursor(float(at), key) if key else None
    except ValueError:
        after = None
    lookup = Lookup(Step, {"invocation_id": state.invocation_id})
    found = components.state_backend.find(Step, lookup, _STEPS + 1, after)
    steps = found[:_STEPS]
    rows = [
        {
            "at": each.at,
            "kind": each.kind,
            "name": masking.text(each.name),
            "branch": masking.text(each.branch),
            "value": masking.packed(each.payload),
            "is_error": each.is_error,
        }
        for each in steps
    ]
    more = f"{steps[-1].at!r}:{steps[-1].step_id}" if len(found) > _STEPS else None
    return {"steps": rows, "next_steps": more}


def task(components: Components, masking: Masking, task_id: str) -> Context:
    """Return how a task did in the last day, what it did last, what fails, and what starts it."""
    now = components.now()
    since = now - _DAY_S
    points = history(components, since, now, _DAY_S / _POINTS, task_id)
    counts = Readings(components).recent(_DAY_S, with_pauses=True).by_first_label().get(task_id, Counts())
    views = Views(components, masking)
    latest = search(components, Filter(tasks=(task_id,)), _LATEST, None, PRESS, None).rows
    groups = [
        each for each in failures(components, _DAY_S, _MOST_GROUPS, True) if each.group.task_id == task_id
    ]
    started = components.trigger.find_definitions(task_id)
    return {
        "now": now,
        "task": masking.text(task_id),
        "task_id": task_id,
        "points": points,
        "times": [
            (name, *_quantiles(counts.times(kind))) for name, kind in (("Wait", "wait"), ("Run", "run"))
        ],
        "rows": [views.row(each) for each in latest],
        "groups": [failure_row(each, masking, since) for each in groups],
        "triggers": [(each.trigger_id, masking.text(each.name)) for each in started[:_MOST_GROUPS]],
    }


def _quantiles(times: Histogram) -> tuple[int, float | None, float | None, float | None]:
    return times.count, quantile(times, 0.5), quantile(times, 0.95), quantile(times, 0.99)


def runner(components: Components, masking: Masking, runner_id: str) -> Context | None:
    """Return what is known of a runner, alive or not; None if it is not stored."""
    (data,) = components.state_backend.read_runners([runner_id])
    if data is None:
        return None
    look = Readings(components)
    views = Views(components, masking)
    loads = {each.runner_id: each for each in look.loads}
    workers = [each for each in look.runners if each.parent_id == runner_id]
    line = f"runner:{runner_id} status:running,paused,pending"
    running = search(components, parse_query(line, look.now), _LATEST, None, PRESS, None).rows
    return {
        "now": look.now,
        "runner": data,
        "where": masking.text(f"{data.hostname}, process {data.pid}"),
        "queues": masking.text(data.queues),
        "is_alive": runner_id in look.alive,
        "is_leader": look.leader == runner_id,
        "load": loads.get(runner_id),
        "workers": [(each, loads.get(each.runner_id)) for each in workers],
        "rows": [views.row(each) for each in running],
    }
