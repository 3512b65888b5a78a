"""All that can be read by the JSON interface."""

from __future__ import annotations

from collections.abc import Callable

from pynenc.actions.jobs import job_of
from pynenc.metrics.history import history
from pynenc.monitor import (
    action_views,
    detail_views,
    event_views,
    failure_views,
    flow_views,
    system_views,
    work_views,
)
from pynenc.monitor.api import Asked, Endpoint
from pynenc.monitor.places import number_of, stretch_of
from pynenc.monitor.shown import Context

_MOST_STEPS = 1000


def _page(asked: Asked, default: str) -> Context:
    found = asked.views.invocations(asked.given.get("q", default), asked.given.get("cursor") or None)
    return {"items": found.pop("rows"), **found}


def _series(asked: Asked) -> Context:
    seconds = asked.hours(1.0, 720.0) * 3600
    steps = int(number_of(asked.given.get("steps", ""), 60.0, float(_MOST_STEPS)))
    now = asked.components.now()
    task = asked.given.get("task") or None
    return {"items": history(asked.components, now - seconds, now, seconds / max(1, steps), task)}


def _why(asked: Asked) -> Context | None:
    found = detail_views.invocation(asked.components, asked.masking, asked.target)
    return (
        None
        if found is None
        else {"verdict": found["findings"][0]["sentence"], "findings": found["findings"]}
    )


def _task(asked: Asked) -> Context | None:
    found = detail_views.task(asked.components, asked.masking, asked.target)
    is_known = found["rows"] or found["groups"] or found["triggers"]
    is_known = is_known or any(each.submitted or each.started or each.ended for each in found["points"])
    return found if is_known else None


def _history(asked: Asked) -> Context | None:
    entries = asked.components.orchestrator.history(asked.target)
    return (
        None
        if not entries
        else {
            "items": [
                {
                    "status": each.status.value,
                    "at": each.timestamp.timestamp(),
                    "runner_id": each.runner_id,
                    "claim": each.claim,
                }
                for each in entries
            ]
        }
    )


def _timeline(asked: Asked) -> Context:
    since, until = stretch_of(asked.components, asked.given)
    task = asked.given.get("task", "")
    found = flow_views.timeline(asked.components, asked.masking, since, until, task)
    return {**found["content"], "has_more": found["has_more"]}


def _runners(asked: Asked) -> Context:
    found = asked.views.runners()
    known = [pair for pairs in found["workers"].values() for pair in pairs]
    return {"leader": found["leader"], "items": [{"runner": data, "load": load} for data, load in known]}


def _job(asked: Asked) -> Context | None:
    try:
        return action_views.job_row(job_of(asked.components, asked.target), asked.masking)
    except LookupError:
        return None


def _named(name: str, look: Callable[[Asked], Context]) -> Callable[[Asked], Context]:
    """Return the look at a list that pages call by a name, and programs `items`."""
    return lambda asked: {"items": look(asked)[name]}


def _actions(asked: Asked) -> Context:
    return action_views.actions(asked.components, asked.masking, asked.given.get("target", ""))


def _failures(asked: Asked) -> Context:
    hours = asked.hours(24.0, 336.0)
    found = failure_views.failure_groups(asked.components, asked.masking, hours, "all" in asked.given)
    return {"items": found["groups"], "has_more": found["has_more"]}


_Q = {
    "q": "A line of search, such as `status:failed task:shop.* since:2h`.",
    "cursor": "The `cursor` of the page before.",
}
_PAGE = ("items", "cursor", "searched", "plan", "order", "is_complete")
_HOURS = {"hours": "How many hours to look back."}
_TASK = {"task": "Only this task, as stored."}
_STRETCH = {
    "minutes": "How many minutes to look back.",
    "since": "The beginning, in seconds since the epoch.",
    "seconds": "How long, from `since` on.",
    **_TASK,
}
_DETAIL = (
    "data",
    "state",
    "findings",
    "arguments",
    "headers",
    "tags",
    "owner",
    "outcome",
    "progress",
    "children",
    "more_children",
    "logs",
    "steps",
    "next_steps",
    "trail",
)
_FAILURE = (
    "group_id",
    "type",
    "task",
    "where",
    "message",
    "count",
    "points",
    "runs",
    "first_at",
    "last_at",
    "state",
    "state_at",
    "note",
    "is_back",
    "is_new",
    "trace",
    "latest",
    "samples",
)
_OVERVIEW = ("verdict", "alerts", "statuses", "points", "failed", "queues")
_TRIGGER = ("id", "name", "task", "when", "is_paused", "problem", "arguments", "options", "runs", "trail")
_FAMILY = ("root_id", "rows", "count", "has_more")
_JOB = (
    "job_id",
    "kind",
    "line",
    "state",
    "asked_at",
    "asked_by",
    "estimate",
    "is_capped",
    "done",
    "skipped",
    "failed",
    "errors",
)
_SYSTEM = ("versions", "parts", "plugins", "sizes", "runners", "settings")

ENDPOINTS = (
    Endpoint(
        "overview",
        "How the app does.",
        _HOURS,
        _OVERVIEW,
        lambda asked: asked.views.overview(asked.hours(1.0, 720.0)),
    ),
    Endpoint("invocations", "A page of invocations.", _Q, _PAGE, lambda asked: _page(asked, "")),
    Endpoint("workflows", "A page of workflows.", _Q, _PAGE, lambda asked: _page(asked, "is:workflow")),
    Endpoint(
        "invocations/{id}",
        "An invocation, with a page of its steps.",
        {"steps": "The `next_steps` of the page before."},
        _DETAIL,
        lambda asked: detail_views.invocation(
            asked.components, asked.masking, asked.target, asked.given.get("steps", "")
        ),
    ),
    Endpoint(
        "tasks/{id}",
        "How a task did in the last day, what it did last, what fails, and what starts it.",
        {},
        ("task", "points", "times", "rows", "groups", "triggers"),
        _task,
    ),
    Endpoint(
        "runners/{id}",
        "A runner with its workers and what it runs.",
        {},
        ("runner", "is_alive", "is_leader", "load", "workers", "rows"),
        lambda asked: detail_views.runner(asked.components, asked.masking, asked.target),
    ),
    Endpoint("invocations/{id}/why", "Why it is where it is.", {}, ("verdict", "findings"), _why),
    Endpoint("invocations/{id}/history", "The statuses that it had.", {}, ("items",), _history),
    Endpoint(
        "invocations/{id}/family",
        "Who has submitted whom in its workflow.",
        {},
        _FAMILY,
        lambda asked: flow_views.family(asked.components, asked.masking, asked.target),
    ),
    Endpoint(
        "failures",
        "Groups of failures.",
        {**_HOURS, "all": "If given, also those that are muted or resolved."},
        ("items", "has_more"),
        _failures,
    ),
    Endpoint(
        "failures/{id}",
        "A group of failures.",
        {},
        _FAILURE,
        lambda asked: failure_views.failure_group(asked.components, asked.masking, asked.target),
    ),
    Endpoint(
        "timeline",
        "Runs by worker and time; each bar is the number of the lane, begin, end and begin of the wait in "
        "seconds from `since`, the number of the task, the status, and the id.",
        _STRETCH,
        ("since", "seconds", "lanes", "tasks", "bars", "has_more"),
        _timeline,
    ),
    Endpoint("queues", "The queues.", {}, ("items",), _named("queues", lambda asked: asked.views.queues())),
    Endpoint(
        "tasks",
        "How each task did in the last day.",
        {},
        ("items",),
        _named("tasks", lambda asked: work_views.tasks(asked.components, asked.masking)),
    ),
    Endpoint(
        "triggers",
        "What starts by itself.",
        {},
        ("items",),
        _named("triggers", lambda asked: work_views.triggers(asked.components, asked.masking)),
    ),
    Endpoint(
        "triggers/{id}",
        "A trigger with its latest runs.",
        {},
        _TRIGGER,
        lambda asked: work_views.trigger(asked.components, asked.masking, asked.target),
    ),
    Endpoint(
        "schedule",
        "The next ticks, and what is due later.",
        {},
        ("ticks", "broken", "delayed"),
        lambda asked: event_views.schedule(asked.components, asked.masking),
    ),
    Endpoint(
        "events",
        "The latest events, and who waits for some.",
        {"code": "Only events with this code."},
        ("events", "waits"),
        lambda asked: event_views.events(asked.components, asked.masking, asked.given.get("code", "")),
    ),
    Endpoint("runners", "Live runners and workers.", {}, ("leader", "items"), _runners),
    Endpoint("jobs", "The jobs that were asked for last.", {}, ("items",), _named("jobs", _actions)),
    Endpoint("jobs/{id}", "A job.", {}, _JOB, _job),
    Endpoint(
        "audit",
        "What people did.",
        {"target": "Only what was about this id."},
        ("items",),
        _named("entries", _actions),
    ),
    Endpoint("alerts", "The alerts.", {}, ("items",), _named("alerts", lambda asked: asked.views.alerts())),
    Endpoint("logs", "Kept log lines.", {}, ("items",), _named("lines", lambda asked: asked.views.logs())),
    Endpoint(
        "live",
        "What changed last.",
        _TASK,
        ("items",),
        _named(
            "rows",
            lambda asked: flow_views.live(asked.components, asked.masking, asked.given.get("task", "")),
        ),
    ),
    Endpoint(
        "series",
        "What was done in each step of a time.",
        {**_HOURS, "steps": "How many steps.", **_TASK},
        ("items",),
        _series,
    ),
    Endpoint(
        "system",
        "The installation.",
        {},
        _SYSTEM,
        lambda asked: system_views.system(asked.components, asked.masking),
    ),
)
"""All that can be read."""
