"""Pages before they are rendered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeAlias

Context: TypeAlias = dict[str, Any]
"""The values that a template shows."""


COLUMNS = ("created", "since", "queue", "attempts", "argument", "tags")
"""The columns of lists of invocations that can be left out, in their order."""

USUAL = tuple(each for each in COLUMNS if each != "argument")
"""Those that are shown to whoever has not chosen."""


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


Show: TypeAlias = Callable[[str, Callable[[], Shown], dict[str, str]], Awaitable[Shown]]
"""Returns what a look at the store shows, or what is wrong with it: the place, the look, the parameters."""


def problem(title: str, text: str, code: int, line: str = "") -> Shown:
    """Return a page that tells what is wrong."""
    return Shown("problem.html", {"title": title, "text": text, "line": line}, code)
