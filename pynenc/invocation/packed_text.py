"""The stored form of a serialized value: the text itself, or a reference to a large one.

A reference holds the hash of the content and the moment at which its window ends. Calls share a
large value within a window; from its end on nobody refers to that copy any more, so one that
nothing needs can be deleted without asking who might be about to use it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

REFERENCE = "@ref:"
"""What a reference to a large value begins with."""
LITERAL = "@raw:"
"""What stands before a text that is kept in place and begins like a reference."""
_VALUE_IDS = re.compile(rf"{REFERENCE}([0-9a-f]{{64}}\.[0-9]{{1,15}})")

Announce: TypeAlias = Callable[[Sequence[str], float], None]
"""Takes the ids of large values that are about to be stored, and the moment from which every record that
refers to them has been stored or never will be."""


def value_id(content: str, window_end: int) -> str:
    """Return the id of a large value.

    Args:
        content: The hash of its content, as 64 hexadecimal digits.
        window_end: Until when calls may share it, in seconds since the epoch.
    """
    return f"{content}.{window_end}"


def window_end(value_id: str) -> float:
    """Return until when calls may share a large value, in seconds since the epoch."""
    end = value_id.partition(".")[2]
    return float(end) if end.isdecimal() else 0.0


def reference(value_id: str) -> str:
    """Return the text that is stored in place of a large value."""
    return REFERENCE + value_id


def referred(packed: str) -> str | None:
    """Return the id of the large value that a packed text refers to, or None."""
    return packed.removeprefix(REFERENCE) if packed.startswith(REFERENCE) else None


def value_ids_in(text: str) -> list[str]:
    """Return the ids of all large values that a record's text refers to."""
    return _VALUE_IDS.findall(text) if REFERENCE in text else []


def same_content(packed: str) -> str:
    """Return what is the same for all packed texts with equal content."""
    return packed.partition(".")[0] if packed.startswith(REFERENCE) else packed
