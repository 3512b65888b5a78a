"""Pages of a search, and the cursors between them."""

from __future__ import annotations

import base64
import hashlib
import math
import time
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from pynenc.exceptions import SearchError
from pynenc.invocation.data import InvocationData
from pynenc.invocation.state import InvocationState
from pynenc.search.filters import Filter
from pynenc.search.streams import Order
from pynenc.storage.operations import Cursor


class FoundInvocation(NamedTuple):
    """An invocation that a search has found.

    Attributes:
        data: Its unchanging part.
        state: Its status record, as it was when it was found.
    """

    data: InvocationData
    state: InvocationState


class Budget(msgspec.Struct, frozen=True):
    """The bounds of one call of a search, which looks at one page of candidates in any case.

    Attributes:
        rows: The number of candidates; None for any number.
        seconds: The time; None for any.
    """

    rows: int | None = 5_000
    seconds: float | None = 0.25

    def __post_init__(self) -> None:
        if self.rows is not None and not 0 <= self.rows < math.inf:
            raise ValueError(f"rows={self.rows!r} is not a number of candidates, or None for any number")
        if self.seconds is not None and not 0 <= self.seconds < math.inf:
            raise ValueError(f"seconds={self.seconds!r} is not a number of seconds, or None for any")

    def begun(self) -> float | None:
        """Return when it ends if it begins now, in monotonic seconds; None for never."""
        return None if self.seconds is None else time.monotonic() + self.seconds

    def is_spent(self, looked_at: int, until: float | None) -> bool:
        """Return whether nothing more is to be looked at.

        Args:
            looked_at: The number of candidates that were looked at.
            until: The moment that `begun` gave.
        """
        is_late = until is not None and time.monotonic() >= until
        return is_late or (self.rows is not None and looked_at >= self.rows)


PRESS = Budget()
"""The budget of one press of "search on"."""

UNBOUNDED = Budget(None, None)


class SearchPage(msgspec.Struct, frozen=True):
    """A page of invocations.

    Attributes:
        rows: Those found, newest first; those that wait for a time come last.
        cursor: The place at which the next page begins; None if this is the last.
        searched: How many candidates were looked at so far, for the pages before as well.
        order: The time by which they are ordered: `created` for that at which they were made,
            `changed` for that since which their status counts.
        plan: How they were looked for, in words.
    """

    rows: list[FoundInvocation]
    cursor: str | None
    searched: int
    order: Order
    plan: str

    @property
    def is_complete(self) -> bool:
        """True if there are no more."""
        return self.cursor is None

    def __iter__(self) -> Iterator[FoundInvocation]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


class SearchCount(msgspec.Struct, frozen=True):
    """The number of invocations that fit a filter.

    Attributes:
        count: How many were counted.
        searched: How many candidates were looked at; 0 if an index gave the number.
        is_complete: Whether all were counted.
    """

    count: int
    searched: int
    is_complete: bool


class Position(msgspec.Struct, frozen=True, array_like=True):
    """The place that a search has come to.

    Attributes:
        filter: The hash of its filter.
        plan: Its plan.
        now: The time of its first page, in seconds since the epoch.
        searched: How many candidates were looked at.
        places: The last candidate of each stream, None for those that have not begun.
    """

    filter: str
    plan: str
    now: float
    searched: int
    places: list[tuple[float, str] | None]

    def cursors(self) -> list[Cursor | None]:
        """Return the places as the streams take them."""
        return [None if each is None else Cursor(*each) for each in self.places]

    def packed(self) -> str:
        """Return the position as the text of a cursor."""
        return base64.urlsafe_b64encode(msgspec.msgpack.encode(self)).decode().rstrip("=")


def hash_of(wanted: Filter) -> str:
    """Return a text that is the same for equal filters."""
    return hashlib.sha256(msgspec.msgpack.encode(wanted)).hexdigest()[:16]


def position_of(cursor: str, wanted: Filter) -> Position:
    """Return the position that a cursor stands for.

    Raises:
        SearchError: It is damaged, or it is the cursor of another search.
    """
    position = _unpacked(cursor)
    if position.filter != hash_of(wanted):
        raise SearchError("the cursor is that of a search with another filter; begin anew without a cursor")
    return position


def _unpacked(cursor: str) -> Position:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        position = msgspec.msgpack.decode(base64.b64decode(padded, "-_", validate=True), type=Position)
    except (msgspec.MsgspecError, ValueError, TypeError, AttributeError, RecursionError):
        raise SearchError("this is not the cursor of a search; pass on the one of the page before") from None
    numbers = (position.now, *(place[0] for place in position.places if place is not None))
    if not all(map(math.isfinite, numbers)):
        raise SearchError("the cursor of the search is damaged; begin anew without a cursor")
    return position


def time_of(cursor: str) -> float:
    """Return the time of the first page of a search, in seconds since the epoch.

    Raises:
        SearchError: The cursor is damaged.
    """
    return _unpacked(cursor).now
