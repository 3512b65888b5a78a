"""The JSON interface: what the pages show, for programs.

Each endpoint is described where it is defined, and `/api/v1/openapi.json` is made of these descriptions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, NamedTuple, TypeAlias

import msgspec

from pynenc.actions.jobs import job_of, preview
from pynenc.exceptions import SearchError
from pynenc.lifecycle.components import Components
from pynenc.metrics.history import history
from pynenc.monitor import action_views, event_views, failure_views, flow_views, system_views, work_views
from pynenc.monitor.acting import check_line
from pynenc.monitor.masking import Masking
from pynenc.monitor.places import number_of, stretch_of
from pynenc.monitor.shown import Context
from pynenc.monitor.views import Views

_MOST_STEPS = 1000
_SHOWN_APART = frozenset(("arguments", "headers", "tags", "queues", "tasks"))

Given: TypeAlias = Mapping[str, str]


class Asked(NamedTuple):
    """A request to the interface.

    Attributes:
        components: The components of the app.
        masking: Shows stored texts.
        given: The parameters.
        target: The id in the path; empty if there is none.
    """

    components: Components
    masking: Masking
    given: Given
    target: str

    @property
    def views(self) -> Views:
        """The contents of the pages."""
        return Views(self.components, self.masking)

    def hours(self, default: float, most: float) -> float:
        """Return the parameter `hours` within its bounds."""
        return number_of(self.given.get("hours", ""), default, most)


class Endpoint(NamedTuple):
    """Something that can be read.

    Attributes:
        path: Its path; `{id}` is of what.
        summary: What it returns, for people.
        parameters: Its parameters, each with what it means.
        members: The members of the object that it returns.
        look: Returns that object; None if nothing is stored under the id.
    """

    path: str
    summary: str
    parameters: Mapping[str, str]
    members: tuple[str, ...]
    look: Callable[[Asked], Context | None]


def _picked(found: Context | None, members: tuple[str, ...]) -> Context | None:
    return None if found is None else {name: found[name] for name in members}


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
    found = asked.views.invocation(asked.target)
    return (
        None
        if found is None
        else {"verdict": found["findings"][0]["sentence"], "findings": found["findings"]}
    )


def _history(asked: Asked) -> Context:
    entries = asked.components.orchestrator.history(asked.target)
    return {
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
    "children",
    "more_children",
    "logs",
    "steps",
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
        "invocations/{id}", "An invocation.", {}, _DETAIL, lambda asked: asked.views.invocation(asked.target)
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


def read(endpoint: Endpoint, asked: Asked) -> Context | None:
    """Return what an endpoint tells, None if nothing is stored under the id.

    Raises:
        SearchError: The line of a search cannot be understood.
    """
    found = _picked(endpoint.look(asked), endpoint.members)
    plain: Context | None = None if found is None else _plain(found, asked.masking)
    return plain


def dry_run(components: Components, fields: Mapping[str, str]) -> Context:
    """Return what a job would act on.

    Raises:
        SearchError: The line cannot be understood, or is empty.
    """
    line = fields.get("q", "")
    if not line.strip():
        raise SearchError("'q' is missing: the line of a search")
    check_line(components, line)
    found = preview(components, line)
    ids = [each.data.invocation_id for each in found.first]
    return {
        "at": found.at,
        "count": found.count,
        "is_capped": found.is_capped,
        "first": ids,
        "statuses": found.statuses,
    }


def _plain(value: Any, masking: Masking) -> Any:
    """Return a value in the types that JSON has; of records without what is shown apart, and masked."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, msgspec.Struct):
        names = [each for each in value.__struct_fields__ if each not in _SHOWN_APART]
        return {name: _masked(getattr(value, name), masking) for name in names}
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: _plain(getattr(value, each.name), masking) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain(each, masking) for name, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(each, masking) for each in value]
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)


def _masked(value: Any, masking: Masking) -> Any:
    return masking.text(value) if type(value) is str else _plain(value, masking)
