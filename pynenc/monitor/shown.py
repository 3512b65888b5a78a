"""Pages before they are rendered."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

Context: TypeAlias = dict[str, Any]
"""The values that a template shows."""


class Shown(NamedTuple):
    """A page before it is rendered.

    Attributes:
        template: Its template.
        context: The values for it.
        code: The code of the answer.
    """

    template: str
    context: Context
    code: int = 200


def problem(title: str, text: str, code: int, line: str = "") -> Shown:
    """Return a page that tells what is wrong."""
    return Shown("problem.html", {"title": title, "text": text, "line": line}, code)
