"""The pages by their paths."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from pynenc.invocation.status import RULES
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.parking import NEVER
from pynenc.monitor import (
    action_views,
    detail_views,
    event_views,
    failure_views,
    flow_views,
    system_views,
    value_views,
    work_views,
)
from pynenc.monitor.masking import Masking
from pynenc.monitor.shown import USUAL, Context, Shown, problem
from pynenc.monitor.views import Views

PAGES = (
    ("", "Overview"),
    ("invocations", "Invocations"),
    ("failures", "Failures"),
    ("workflows", "Workflows"),
    ("tasks", "Tasks"),
    ("queues", "Queues"),
    ("triggers", "Triggers"),
    ("schedule", "Schedule"),
    ("events", "Events"),
    ("timeline", "Timeline"),
    ("live", "Live"),
    ("runners", "Runners"),
    ("alerts", "Alerts"),
    ("logs", "Logs"),
    ("actions", "Actions"),
    ("system", "System"),
    ("help", "Help"),
)
"""The pages of the navigation: path and title."""

DETAILS = (
    "jobs/new",
    "tasks/{id:path}",
    "runners/{id}",
    "invocations/{id}",
    "invocations/{id}/family",
    "invocations/{id}/value",
    "failures/{id}",
    "triggers/{id}",
)
"""The paths of the other pages."""

_PATTERNS = [
    re.compile(re.escape(each).replace(r"\{id:path\}", ".+").replace(r"\{id\}", "[^/]+")) for each in DETAILS
]
_MOST_HOURS = 24.0 * 30
_MOST_FAILURE_HOURS = 24.0 * 14


LISTS = ("invocations", "workflows")
"""The paths of lists, whose columns can be chosen."""

_STILL = ("timeline", "system", "jobs/new", "help")


def is_place(place: str) -> bool:
    """Return whether there is a page at a path."""
    return place in dict(PAGES) or any(each.fullmatch(place) for each in _PATTERNS)


def is_still(place: str) -> bool:
    """Return whether the page at a path does not follow what happens."""
    return place in _STILL or (place.startswith("invocations/") and place.endswith("/value"))


def look(
    components: Components,
    masking: Masking,
    place: str,
    given: Mapping[str, str],
    columns: Sequence[str] = USUAL,
) -> Shown:
    """Return a page.

    Args:
        components: The components.
        masking: Shows stored texts.
        place: The path of the page.
        given: The parameters of the request.
        columns: The columns of a list.

    Raises:
        SearchError: The line of a search cannot be understood.
    """
    shown = _look(components, masking, place, given, columns)
    done = given.get("done")
    if done:
        shown.context["notice"] = action_views.notice(components, masking, done)
    return shown


def look_at_logs(components: Components, masking: Masking, text: str) -> Shown:
    """Return the page of logs with a text whose ids are read."""
    pasted = system_views.read_text(components, masking, text)
    return Shown("logs.html", {**Views(components, masking).logs(), **pasted})


def _look(
    components: Components,
    masking: Masking,
    place: str,
    given: Mapping[str, str],
    columns: Sequence[str],
) -> Shown:
    views = Views(components, masking)
    if place in LISTS:
        line = given.get("q", "is:workflow" if place == "workflows" else "")
        found = views.invocations(line, given.get("cursor") or None, has_argument="argument" in columns)
        return Shown("invocations.html", found)
    if place == "jobs/new":
        kind, line = given.get("kind", ""), given.get("q", "")
        return Shown("new_job.html", action_views.new_job(components, masking, kind, line))
    kind, _, target = place.partition("/")
    if target:
        return _detail(components, masking, kind, target, given)
    simple: dict[str, Callable[[], dict[str, object]]] = {
        "overview": lambda: views.overview(number_of(given.get("hours", ""), 1.0, _MOST_HOURS)),
        "failures": lambda: failure_views.failure_groups(
            components, masking, number_of(given.get("hours", ""), 24.0, _MOST_FAILURE_HOURS), "all" in given
        ),
        "timeline": lambda: _timeline(components, masking, given),
        "live": lambda: flow_views.live(components, masking, given.get("task", "")),
        "events": lambda: event_views.events(components, masking, given.get("code", "")),
        "schedule": lambda: event_views.schedule(components, masking),
        "system": lambda: system_views.system(components, masking),
        "actions": lambda: action_views.actions(components, masking, given.get("target", "")),
        "tasks": lambda: work_views.tasks(components, masking),
        "triggers": lambda: work_views.triggers(components, masking),
        "help": lambda: {"statuses": [(status.value, rule.meaning) for status, rule in RULES.items()]},
        "queues": views.queues,
        "runners": views.runners,
        "alerts": views.alerts,
        "logs": views.logs,
    }
    name = place or "overview"
    return Shown(f"{name}.html", simple[name]())


def _detail(
    components: Components, masking: Masking, kind: str, target: str, given: Mapping[str, str]
) -> Shown:
    found: Context | None
    if kind == "tasks":
        return Shown("task.html", detail_views.task(components, masking, target))
    if kind == "invocations":
        invocation_id, _, more = target.partition("/")
        if more == "family":
            found = flow_views.family(components, masking, invocation_id)
        elif more:
            found = value_views.value(components, masking, invocation_id, given.get("argument", ""))
        else:
            found = detail_views.invocation(components, masking, target, given.get("steps", ""))
        hours = components.orchestrator.conf.auto_final_invocation_purge_hours
        missing = f"Nothing is stored under this id. Ended invocations are kept for {hours:g} h."
        template = f"{more or 'invocation'}.html"
    elif kind == "failures":
        found = failure_views.failure_group(components, masking, target)
        days = components.conf.failure_days
        missing = f"No such group of failures is stored. They are kept for {days:g} days."
        template = "failure.html"
    elif kind == "runners":
        found = detail_views.runner(components, masking, target)
        missing, template = "There is no such runner, or it is long gone.", "runner.html"
    else:
        found = work_views.trigger(components, masking, target)
        missing, template = "There is no such trigger.", "trigger.html"
    return problem("Not found", missing, 404) if found is None else Shown(template, found)


def stretch_of(components: Components, given: Mapping[str, str]) -> tuple[float, float]:
    """Return the time that was asked for: the last minutes, or from a moment on for some seconds."""
    seconds = number_of(given.get("minutes", ""), 5.0, 1440.0) * 60
    now = components.now()
    try:
        since = float(given["since"])
        until = since + min(max(float(given.get("seconds", seconds)), 0.1), 86_400.0)
    except (KeyError, ValueError):
        return now - seconds, now
    return (since, until) if 0 <= since < NEVER and until > since else (now - seconds, now)


def _timeline(components: Components, masking: Masking, given: Mapping[str, str]) -> Context:
    since, until = stretch_of(components, given)
    found = flow_views.timeline(components, masking, since, until, given.get("task", ""))
    return {**found, "colours": given.get("colours", "")}


def number_of(text: str, default: float, most: float) -> float:
    """Return a number that was asked for, within its bounds; the default if it is none."""
    try:
        hours = float(text)
    except ValueError:
        return default
    return min(max(hours, 0.25), most) if hours == hours else default
