"""Reading formatted tracebacks."""

from __future__ import annotations

import re
from typing import NamedTuple

_FRAME = re.compile(r'^[ |+]*File "([^"\n]+)", line (\d+), in (.+)$', re.MULTILINE)
_COMPARED = 100
_OF_LIBRARIES = (
    "site-packages",
    "dist-packages",
    "/lib/python",
    "\\lib\\",
    "<frozen",
    "/pynenc/",
    "\\pynenc\\",
)


class Place(NamedTuple):
    """The place in the code where an exception was raised."""

    file: str
    line: int
    function: str

    @property
    def name(self) -> str:
        """The file and the function, which stay the same when lines move."""
        return f"{self._file}: {self.function}"

    @property
    def _file(self) -> str:
        return re.split(r"[/\\]", self.file)[-1]

    def __str__(self) -> str:
        return f"{self._file}:{self.line} in `{self.function}`"


def place_of(traceback: str) -> Place | None:
    """Return the innermost place of the user's code in a traceback, or the innermost of all."""
    found = [Place(file, int(line), name) for file, line, name in _FRAME.findall(traceback)]
    own = [each for each in found if not any(part in each.file for part in _OF_LIBRARIES)]
    return own[-1] if own else found[-1] if found else None


def without_message(traceback: str, type_name: str, message: str) -> str:
    """Return a formatted traceback without the message of its exception, in which anything may stand.

    Args:
        traceback: The traceback.
        type_name: The import path of the class of the exception.
        message: Its text.
    """
    head = message.partition("\n")[0][:_COMPARED]
    marker = f"{type_name}: {head}" if head else type_name
    found = re.search(rf"^[ |+]*{re.escape(marker)}", traceback, re.MULTILINE)
    return traceback if found is None else traceback[: found.start()]
