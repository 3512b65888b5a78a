"""Progress: how far a body says that it has come."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import NamedTuple

from pynenc.identifiers.texts import shown, storable

_LONGEST = 500


class Progress(NamedTuple):
    """A report of a body on how far it has come.

    Attributes:
        done: The work that is done, in whatever unit the body counts.
        total: All of it, in the same unit; None if the body does not know.
        message: What it is doing, in words of the body; None if it has not said.
        at: The time of the report, in UTC.
    """

    done: float
    total: float | None
    message: str | None
    at: datetime

    @property
    def fraction(self) -> float | None:
        """The part that is done, from 0 to 1; None if the total is not known."""
        if self.total is None:
            return None
        return min(1.0, self.done / self.total) if self.total else 1.0

    def __str__(self) -> str:
        """Return it as people read it: `3 of 10 (30 %): reading`."""
        text = f"{_number(self.done)}"
        if self.total is not None and self.fraction is not None:
            text = f"{text} of {_number(self.total)} ({int(100 * self.fraction)} %)"
        return f"{text}: {self.message}" if self.message else text


def new_progress(done: float, total: float | None, message: str | None, now: float) -> Progress:
    """Return a report, checked.

    Args:
        done: The work that is done.
        total: All of it, or None.
        message: What is being done, cut at 500 characters.
        now: The time, in seconds since the epoch.

    Raises:
        TypeError: A value has the wrong type.
        ValueError: A number is negative, infinite or not a number.
    """
    if message is not None and not isinstance(message, str):
        raise TypeError(f"the message of a progress report is not a string: {shown(message, 80)}")
    text = None if message is None else storable(message)
    if text is not None and len(text) > _LONGEST:
        text = text[: _LONGEST - 1] + "…"
    known_total = None if total is None else _checked(total, "total")
    return Progress(_checked(done, "done"), known_total, text, datetime.fromtimestamp(now, UTC))


def _checked(value: object, name: str) -> float:
    if isinstance(value, (str, bytes, bool)) or not hasattr(value, "__float__"):
        raise TypeError(f"'{name}' of a progress report is not a number: {shown(value, 80)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(
            f"'{name}' of a progress report is {shown(value, 80)}; it takes a number from 0 on that a "
            f"float can hold"
        )
    return number


def _number(value: float) -> str:
    return f"{value:,.0f}" if value.is_integer() and value < 1e15 else f"{value:,.6g}"
