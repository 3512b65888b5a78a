"""Lists as files: what a search finds, a page at a time, so that nothing is held in memory."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from pynenc.monitor.shown import Context, Show, Shown
from pynenc.monitor.views import Views

FORMATS = {"csv": "text/csv", "jsonl": "application/jsonl"}
"""The formats of files, and their media types."""

MOST_ROWS = 100_000
"""The most rows of a file."""

_PAGE = 500
_COLUMNS = ("id", "task", "status", "reason", "created", "since", "attempts", "queue", "tags")
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


async def exported(views: Views, show: Show, line: str, kind: str) -> AsyncIterator[str]:
    """Yield the text of a file with what a search finds.

    The last line says so if the store went away in between, or if there are more than 100,000 rows.

    Args:
        views: The contents of pages.
        show: Looks at the store within bounds.
        line: The line of the search.
        kind: The format, one of `FORMATS`.
    """
    if kind == "csv":
        yield _csv(_COLUMNS)
    cursor: str | None = None
    number = 0
    while True:
        look = partial(views.invocations, line, cursor, _PAGE)
        shown = await show("export", lambda look=look: Shown("", look()), {})  # type: ignore[misc]
        if shown.code != 200:
            yield _note(kind, f"broken off: {shown.context['title']}: {shown.context['text']}")
            return
        for row in shown.context["rows"]:
            yield _row(kind, row)
        number += len(shown.context["rows"])
        cursor = shown.context["cursor"]
        if cursor is None:
            return
        if number >= MOST_ROWS:
            yield _note(kind, f"cut after {number} rows: there are more")
            return


def _row(kind: str, row: Context) -> str:
    values = {name: row[name] for name in _COLUMNS}
    if kind == "jsonl":
        return json.dumps(values) + "\n"
    values["tags"] = ", ".join(values["tags"])
    return _csv([values[name] for name in _COLUMNS])


def _note(kind: str, text: str) -> str:
    return json.dumps({"note": text}) + "\n" if kind == "jsonl" else _csv([text])


def _csv(values: Any) -> str:
    """Return a line, in which no text is a formula to those programs that would carry it out."""
    safe = [f"'{each}" if isinstance(each, str) and each.startswith(_FORMULAS) else each for each in values]
    line = io.StringIO()
    csv.writer(line).writerow(safe)
    return line.getvalue()
