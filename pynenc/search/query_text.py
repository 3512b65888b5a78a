"""Filters as one line of text: `status:failed,retry task:shop.* since:2h tag:customer=42 -queue:bulk`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pynenc.conf.tags import check_tag_name
from pynenc.exceptions import SearchError
from pynenc.identifiers.spans import span_seconds
from pynenc.invocation.status import InvocationStatus
from pynenc.search.filters import Filter, is_pattern

_ID = re.compile(r"[0-9a-f]{6,}", re.IGNORECASE)
_WHOLE_ID = 32
_LONGEST_NUMBER = 15


def parse_query(text: str, now: float) -> Filter:
    """Return the filter that a line of text stands for.

    Words are `name:value`, with `-` in front to leave out what fits; several values are separated by
    commas, and one with spaces or commas stands in double quotes. A bare word of six or more
    hexadecimal digits is an id, or the tail of one.

    Args:
        text: The line.
        now: The time from which spans such as `2h` count back, in seconds since the epoch.

    Raises:
        SearchError: A word cannot be understood; the message says which and where.
    """
    wanted: dict[str, Any] = {}
    unwanted: dict[str, Any] = {}
    for place, word in words_of(text):
        is_out = word.startswith("-")
        bare = word[1:] if is_out else word
        name, colon, value = bare.partition(":")
        try:
            fields = _of_name(name.lower(), value, now) if colon else _of_bare(bare)
            for field, given in fields.items():
                _add(unwanted if is_out else wanted, field, given)
        except ValueError as error:
            raise SearchError(
                f"'{word}' at position {place + 1} of the search cannot be understood: {error}"
            ) from None
    try:
        without = Filter(**unwanted) if unwanted else None
        return Filter(**wanted, without=without)
    except (TypeError, ValueError) as error:
        raise SearchError(f"the search cannot be understood: {error}") from None


def _add(fields: dict[str, Any], field: str, value: Any) -> None:
    known = fields.get(field)
    if isinstance(value, tuple):
        fields[field] = (*(known or ()), *value)
    elif known is not None and known != value:
        raise ValueError("it is given twice, with other values")
    else:
        fields[field] = value


def words_of(text: str) -> list[tuple[int, str]]:
    """Return the words of a line with their places; quotes keep what is inside together.

    Raises:
        SearchError: Quotes are not closed.
    """
    words: list[tuple[int, str]] = []
    begin, is_quoted = -1, False
    for place, sign in enumerate(text):
        if sign == '"':
            is_quoted = not is_quoted
        if sign.isspace() and not is_quoted:
            if begin >= 0:
                words.append((begin, text[begin:place]))
            begin = -1
        elif begin < 0:
            begin = place
    if is_quoted:
        raise SearchError(f"the quotes at position {text.rindex(chr(34)) + 1} of the search are not closed")
    if begin >= 0:
        words.append((begin, text[begin:]))
    return words


def _values(text: str) -> tuple[str, ...]:
    """Return the values that commas separate; those in quotes as they are."""
    parts = re.findall(r'"[^"]*"|[^,"]+', text)
    values = tuple(each.strip('"') if each.startswith('"') else each.strip() for each in parts)
    if not all(values) or not values:
        raise ValueError("a value is missing")
    return values


def _one(text: str) -> str:
    value = text[1:-1] if len(text) > 1 and text.startswith('"') and text.endswith('"') else text
    if not value:
        raise ValueError("a value is missing")
    return value


def _of_bare(word: str) -> dict[str, Any]:
    if _ID.fullmatch(word):
        lower = word.lower()
        return {"ids": (lower,)} if len(lower) == _WHOLE_ID else {"id_tail": lower}
    plain = word.replace('"', "").strip("-")
    hint = f'; to look into arguments write arg:"{plain}"' if plain else ""
    raise ValueError(f"it is neither name:value nor an id{hint}")


def _statuses(text: str) -> tuple[str, ...]:
    known = [status.value for status in InvocationStatus]
    found = tuple(each.lower() for each in _values(text))
    for each in found:
        if each not in known:
            raise ValueError(f"'{each}' is not a status; {_nearest(each, known)}")
    return found


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(known)}"


def _tag(text: str) -> tuple[str, ...]:
    tag = _one(text)
    if "," in tag and '"' not in text:
        raise ValueError("a tag has one value; one with a comma stands in double quotes")
    name, equals, value = tag.partition("=")
    check_tag_name(name)
    if not equals or not value:
        raise ValueError("a tag is searched for as tag:name=value")
    return (f"{name}={_one(value)}",)


def _classes(text: str) -> tuple[str, ...]:
    names = _values(text)
    for each in names:
        if is_pattern(each):
            raise ValueError(f"'{each}' is a pattern, and the class of an error is searched for by its name")
    return names


def _kind(text: str) -> bool:
    if text != "workflow":
        raise ValueError("there is is:workflow only")
    return True


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > _LONGEST_NUMBER:
        raise ValueError(f"'{text}' is not a whole number")
    return int(text)


def parse_time(text: str, now: float) -> float:
    """Return a time in seconds since the epoch: a span back from now such as `90m`, a date, or a time.

    Without a zone, dates and times are in UTC.

    Raises:
        ValueError: It is neither.
    """
    try:
        seconds = span_seconds(text)
        if seconds is not None:
            return now - seconds
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(
            f"'{text}' is neither a span such as 30s, 10m, 2h, 7d, nor a time such as 2026-01-31T09:00"
        ) from None


_Reader = Callable[[str, float], dict[str, Any]]
_NAMES: dict[str, _Reader] = {
    "id": lambda text, now: {"ids": _values(text)},
    "status": lambda text, now: {"statuses": _statuses(text)},
    "task": lambda text, now: {"tasks": _values(text)},
    "queue": lambda text, now: {"queues": _values(text)},
    "workflow": lambda text, now: {"workflow_id": _one(text)},
    "parent": lambda text, now: {"parent_id": _one(text)},
    "is": lambda text, now: {"is_workflow": _kind(text)},
    "since": lambda text, now: {"created_since": parse_time(_one(text), now)},
    "until": lambda text, now: {"created_until": parse_time(_one(text), now)},
    "changed-since": lambda text, now: {"changed_since": parse_time(_one(text), now)},
    "changed-until": lambda text, now: {"changed_until": parse_time(_one(text), now)},
    "runner": lambda text, now: {"runner_id": _one(text)},
    "error": lambda text, now: {"error_types": _classes(text)},
    "tag": lambda text, now: {"tags": _tag(text)},
    "arg": lambda text, now: {"text": _one(text)},
    "trigger": lambda text, now: {"triggered_by": _one(text)},
    "failures": lambda text, now: {"failure_group": _one(text)},
    "retries": lambda text, now: {"min_retries": _number(text)},
    "version": lambda text, now: {"code_version": _one(text)},
}

QUERY_NAMES = tuple(_NAMES)
"""The names that a line may use."""


def _of_name(name: str, value: str, now: float) -> dict[str, Any]:
    reader = _NAMES.get(name)
    if reader is None:
        raise ValueError(f"'{name}' is not a name to search by; {_nearest(name, list(_NAMES))}")
    return reader(value, now)


def quoted(text: str) -> str | None:
    """Return a text as the value of a word; None if it cannot be one, because it holds a double quote."""
    if '"' in text:
        return None
    return f'"{text}"' if not text or any(sign.isspace() or sign in ",:" for sign in text) else text
