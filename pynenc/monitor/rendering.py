"""Rendering of pages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any
from urllib.parse import quote

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from pynenc.explaining.findings import span
from pynenc.identifiers.texts import visible
from pynenc.invocation.status import RULES, InvocationStatus
from pynenc.monitor.masking import is_part

NOT_YET = 'data-theme="?"'
"""Stands in pages, which visitors share, for what each of them likes."""

_CHART_WIDTH, _CHART_HEIGHT = 600, 80
_SHAPES = {
    "success": "●",
    "failed": "◆",
    "cancelled": "□",
    "concurrency_controlled_final": "□",
    "running": "◐",
    "paused": "‖",
    "retry": "↻",
    "concurrency_controlled": "↻",
    "killed": "◌",
    "pending_recovery": "◌",
    "running_recovery": "◌",
}


def environment() -> Environment:
    """Return the environment of the templates; everything is escaped."""
    made = Environment(
        loader=PackageLoader("pynenc.monitor"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        span=_span,
        moment=_moment,
        exact=_exact,
        short=lambda text: str(text)[-8:],
        quoted=lambda text: quote(str(text), safe="", errors="backslashreplace"),
        seen=lambda text: visible(str(text)),
        number=lambda value: f"{value:,}".replace(",", "\u202f"),
        share=lambda value: f"{value:.1%}",
        shape=lambda status: _SHAPES.get(str(status).lower(), "○"),
        meaning=_meaning,
        is_part=is_part,
    )
    made.globals.update(chart=chart, data_for_script=data_for_script)
    return made


def static_file(name: str) -> bytes:
    """Return a file that pages refer to."""
    return files("pynenc.monitor").joinpath("static", name).read_bytes()


def chart(numbers: Sequence[float], kind: str) -> Markup:
    """Return bars as an image that the style sheet colours by kind."""
    most = max(numbers, default=0) or 1
    width = _CHART_WIDTH / max(1, len(numbers))
    bars = [
        Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
            at * width,
            _CHART_HEIGHT * (1 - number / most),
            max(width - 1, 0.5),
            _CHART_HEIGHT * number / most,
        )
        for at, number in enumerate(numbers)
        if number
    ]
    frame = '<svg class="chart {}" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true">{}</svg>'
    return Markup(frame).format(kind, _CHART_WIDTH, _CHART_HEIGHT, Markup("").join(bars))


def data_for_script(name: str, value: object) -> Markup:
    """Return a value as a part of a page that scripts read, and that no browser runs."""
    text = msgspec.json.encode(value).decode().replace("<", "\\u003c")
    return Markup('<script type="application/json" id="{}">{}</script>').format(name, Markup(text))


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if not 0 < seconds < 1:
        return span(seconds)
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.2g} ms"


def _moment(at: float, now: float) -> Markup:
    """Return a time as people read it, with the exact one behind it."""
    try:
        exact = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return Markup("<span>never</span>")
    ago = f"{_span(now - at)} ago" if at <= now else f"in {_span(at - now)}"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(exact, exact, ago)


def _exact(at: float) -> str:
    """Return a time as it is, in UTC."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return "no time"


def _meaning(status: str) -> str:
    try:
        return RULES[InvocationStatus(status)].meaning
    except ValueError:
        return ""


def rendered(made: Environment, template: str, context: dict[str, Any]) -> str:
    """Return a page as text."""
    text: str = made.get_template(template).render(context)
    return text
