"""Failures in groups: a bounded memory of the failed attempts that are to be stored."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from pynenc.identifiers.texts import shortened
from pynenc.identifiers.tracebacks import place_of, without_message

OTHER_GROUP = "other"
"""The group of what fails in too many ways to tell them apart."""

MOST_GROUPS = 200
"""The most groups that a process tells apart in a minute."""

_MOST_SAMPLES = 500
_MOST_A_MINUTE = 200
_ALL_UP_TO, _TENTH_UP_TO = 20, 200
_LONGEST_MESSAGE, _LONGEST_TRACE = 500, 8000
_LONGEST_READ = 65_536
_CHANGING = re.compile(r"0x[0-9a-f]+|\d[\d._:-]*|\b[0-9a-f]{8,}\b|'[^'\n]*'|\"[^\"\n]*\"", re.IGNORECASE)


class FailedAttempt(NamedTuple):
    """An attempt that has failed, as it is to be stored.

    Attributes:
        at: When it ended, in seconds since the epoch.
        group_id: The group that it belongs to.
        invocation_id: Whose attempt it was.
        task_id: The task of that.
        type_name: The import path of the class of the exception.
        place: The file and the function in which it was raised; empty if that is not known.
        message: The text of the exception, cut if it is long.
        trace: The traceback, cut in the middle if it is long.
        is_final: Whether the invocation has failed with it.
        weight: The number of failures for which it stands, since not all are kept.
    """

    at: float
    group_id: str
    invocation_id: str
    task_id: str
    type_name: str
    place: str
    message: str
    trace: str
    is_final: bool
    weight: int


class FailedGroup(NamedTuple):
    """A group that has failed since it was stored last.

    Attributes:
        first: The first failure of it since then.
        last_at: When the last was, in seconds since the epoch.
    """

    first: FailedAttempt
    last_at: float


class FailureNotes:
    """Keeps some of the failures of each group.

    Of each group it keeps the first 20 in a minute, then each tenth, and beyond 200 each hundredth; at most
    200 a minute in all.

    Args:
        clock: Returns seconds that only rise.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: deque[FailedAttempt] = deque(maxlen=_MOST_SAMPLES)
        self._seen: dict[str, FailedGroup] = {}
        self._minute, self._in_minute = 0, 0
        self._numbers: dict[str, int] = {}
        self._skipped: dict[str, int] = {}
        self._guard = threading.Lock()

    def note(
        self,
        task_id: str,
        type_name: str,
        message: str,
        trace: str,
        invocation_id: str,
        at: float,
        is_final: bool,
    ) -> str:
        """Note a failed attempt; return the group that it belongs to."""
        place = place_in(type_name, message, trace)
        group_id = group_of(task_id, type_name, place)
        with self._guard:
            minute = int(self._clock() // 60)
            if minute != self._minute:
                self._minute, self._in_minute = minute, 0
                self._numbers.clear()
            if group_id not in self._numbers and len(self._numbers) >= MOST_GROUPS:
                return OTHER_GROUP
            number = self._numbers[group_id] = self._numbers.get(group_id, 0) + 1
            weight = self._skipped.pop(group_id, 0) + 1
            attempt = FailedAttempt(
                at,
                group_id,
                invocation_id,
                task_id,
                type_name,
                place,
                shortened(message, _LONGEST_MESSAGE),
                shortened(trace, _LONGEST_TRACE),
                is_final,
                weight,
            )
            seen = self._seen.get(group_id)
            self._seen[group_id] = FailedGroup(attempt if seen is None else seen.first, at)
            if _is_kept(number) and self._in_minute < _MOST_A_MINUTE:
                self._in_minute += 1
                self._kept.append(attempt)
            else:
                self._skipped[group_id] = weight
                while len(self._skipped) > 10 * MOST_GROUPS:
                    del self._skipped[next(iter(self._skipped))]
        return group_id

    def take(self) -> tuple[list[FailedGroup], list[FailedAttempt]]:
        """Return the groups that have failed since the last time, and the failures that are kept."""
        with self._guard:
            groups, kept = list(self._seen.values()), list(self._kept)
            self._seen.clear()
            self._kept.clear()
        return groups, kept

    def put_back(self, groups: list[FailedGroup], kept: list[FailedAttempt]) -> None:
        """Keep what could not be stored, as far as there is room."""
        with self._guard:
            for each in groups[: 10 * MOST_GROUPS]:
                later = self._seen.get(each.first.group_id, each)
                self._seen[each.first.group_id] = FailedGroup(each.first, later.last_at)
            room = _MOST_SAMPLES - len(self._kept)
            self._kept.extendleft(reversed(kept[len(kept) - room :] if len(kept) > room else kept))


def place_in(type_name: str, message: str, trace: str) -> str:
    """Return the file and the function of the user's in which an exception was raised, as far as is known."""
    frames = without_message(trace, type_name, message)[-_LONGEST_READ:]
    found = place_of(frames)
    return found.name if found is not None else ""


def group_of(task_id: str, type_name: str, place: str) -> str:
    """Return the id of the group of failures of a task with a class of exceptions raised at a place."""
    parts = "\0".join((task_id, type_name, place))
    return hashlib.sha256(parts.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def shape_of(message: str) -> str:
    """Return the first line of a message with what changes between equal failures left out."""
    return _CHANGING.sub("…", message.strip().partition("\n")[0])


def _is_kept(number: int) -> bool:
    if number <= _ALL_UP_TO:
        return True
    return number % 10 == 0 if number <= _TENTH_UP_TO else number % 100 == 0
