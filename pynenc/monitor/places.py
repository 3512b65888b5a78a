"""The pages by their paths."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pynenc.lifecycle.components import Components
from pynenc.monitor import work_views
from pynenc.monitor.masking import Masking
from pynenc.monitor.views import Context, Views

PAGES = (
    ("", "Overview"),
    ("invocations", "Invocations"),
    ("workflows", "Workflows"),
    ("tasks", "Tasks"),
    ("queues", "Queues"),
    ("triggers", "Triggers"),
    ("runners", "Runners"),
    ("alerts", "Alerts"),
    ("logs", "Logs"),
)
"""The pages of the navigation: path and title."""

_MOST_HOURS = 24.0 * 30


def look(
    components: Components, masking: Masking, place: str, given: Mapping[str, str]
) -> tuple[str, Context, int]:
    """Return the template of a page, what it shows, and its code.

    Args:
        components: The components.
        masking: Shows stored texts.
        place: The path of the page.
        given: The parameters of the request.

    Raises:
        SearchError: The line of a search cannot be understood.
    """
    views = Views(components, masking)
    if place == "":
        return "overview.html", views.overview(_hours(given.get("hours", "1"))), 200
    if place in ("invocations", "workflows"):
        line = given.get("q", "is:workflow" if place == "workflows" else "")
        return "invocations.html", views.invocations(line, given.get("cursor") or None), 200
    if place.startswith("invocations/"):
        found = views.invocation(place.partition("/")[2])
        if found is not None:
            return "invocation.html", found, 200
        hours = components.orchestrator.conf.auto_final_invocation_purge_hours
        text = f"Nothing is stored under this id. Ended invocations are kept for {hours:g} h."
        return "problem.html", {"title": "Not found", "text": text, "line": ""}, 404
    simple: dict[str, Callable[[], Context]] = {
        "tasks": lambda: work_views.tasks(components, masking),
        "triggers": lambda: work_views.triggers(components, masking),
        "queues": views.queues,
        "runners": views.runners,
        "alerts": views.alerts,
        "logs": views.logs,
    }
    return f"{place}.html", simple[place](), 200


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        return 1.0
    return min(max(hours, 0.25), _MOST_HOURS) if hours == hours else 1.0
