"""Filters: exact values, operators, nested and combined; or a function that decides.

The payload of an event is JSON, where a date or a decimal is a text. A value that is compared with
one of a richer type is read as that type first, so a filter says what people mean.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from pynenc.trigger.plain_values import as_type_of

_ABSENT = object()
Test = Callable[[Any, Any], bool]


def _ordered(compare: Test) -> Test:
    """Return a comparison that is false for what is absent or cannot be compared."""

    def test(value: Any, wanted: Any) -> bool:
        if value is _ABSENT:
            return False
        try:
            return bool(compare(_comparable(value, wanted), wanted))
        except TypeError:
            return False

    return test


def _comparable(value: Any, wanted: Any) -> Any:
    """Return a value as the type that it is compared with; a text may stand for a number."""
    if isinstance(value, str) and isinstance(wanted, int | float):
        try:
            return Decimal(value)
        except InvalidOperation:
            return value
    return as_type_of(wanted, value)


def _equal(value: Any, wanted: Any) -> bool:
    if value is _ABSENT:
        return False
    if value == wanted:
        return True
    if isinstance(wanted, list | tuple) and isinstance(value, list | tuple):
        return len(value) == len(wanted) and all(map(_equal, value, wanted))
    if isinstance(wanted, set | frozenset) and isinstance(value, list | tuple | set | frozenset):
        return len(value) == len(wanted) and all(_is_in(each, wanted) for each in value)
    if isinstance(wanted, Mapping) and isinstance(value, Mapping):
        return value.keys() == wanted.keys() and all(_equal(value[name], wanted[name]) for name in wanted)
    return bool(as_type_of(wanted, value) == wanted)


def _is_in(value: Any, wanted: Any) -> bool:
    return any(_equal(value, each) for each in wanted)


def _regex(value: Any, pattern: Any) -> bool:
    return isinstance(value, str) and re.search(pattern, value) is not None


COMPARISONS: Mapping[str, Test] = {
    "$gt": _ordered(lambda value, wanted: value > wanted),
    "$gte": _ordered(lambda value, wanted: value >= wanted),
    "$lt": _ordered(lambda value, wanted: value < wanted),
    "$lte": _ordered(lambda value, wanted: value <= wanted),
    "$ne": lambda value, wanted: not _equal(value, wanted),
    "$in": _is_in,
    "$nin": lambda value, wanted: not _is_in(value, wanted),
    "$exists": lambda value, wanted: (value is not _ABSENT) == bool(wanted),
    "$regex": _regex,
}
COMBINATIONS: Mapping[str, Callable[[Callable[[Any], bool], Any], bool]] = {
    "$and": lambda holds, parts: all(map(holds, parts)),
    "$or": lambda holds, parts: any(map(holds, parts)),
    "$not": lambda holds, part: not holds(part),
}
OPERATORS = (*COMPARISONS, *COMBINATIONS)
"""The names that have a meaning of their own in a filter."""


def passes(filter_: Mapping[str, Any] | Callable[..., bool] | None, values: Mapping[str, Any]) -> bool:
    """Return whether values pass a filter.

    A mapping names values, by dotted paths where they are nested, and for each a wanted value,
    operators that must all hold, or a filter on what is inside. A function gets the values and
    decides.
    """
    if filter_ is None:
        return True
    if callable(filter_):
        return bool(filter_(values))
    return all(
        COMBINATIONS[name](lambda part: passes(part, values), wanted)
        if name in COMBINATIONS
        else _holds(_at(values, name), wanted)
        for name, wanted in filter_.items()
    )


def result_passes(filter_: Any, result: Any) -> bool:
    """Return whether a result passes a function, operators or a filter on its items, or equals a value."""
    if callable(filter_):
        return bool(filter_(result))
    if isinstance(filter_, Mapping) and isinstance(result, Mapping) and not is_operators(filter_):
        return passes(filter_, result)
    return _holds(result, filter_)


def is_operators(wanted: Any) -> bool:
    """Return whether a wanted value consists of operators, all of which must hold."""
    return isinstance(wanted, Mapping) and bool(wanted) and all(name in OPERATORS for name in wanted)


def has_operators(wanted: Any) -> bool:
    """Return whether there is an operator anywhere in a wanted value, which makes it a filter."""
    return isinstance(wanted, Mapping) and any(
        str(name).startswith("$") or has_operators(inner) for name, inner in wanted.items()
    )


def _holds(value: Any, wanted: Any) -> bool:
    if is_operators(wanted):
        return all(_operate(name, value, operand) for name, operand in wanted.items())
    if has_operators(wanted):
        return isinstance(value, Mapping) and passes(wanted, value)
    return _equal(value, wanted)


def _operate(name: str, value: Any, operand: Any) -> bool:
    if name in COMBINATIONS:
        return COMBINATIONS[name](lambda part: _holds(value, part), operand)
    return COMPARISONS[name](value, operand)


def _at(values: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path; a name that has the dots itself goes first."""
    if path in values:
        return values[path]
    found: Any = values
    for name in path.split("."):
        if isinstance(found, Mapping) and name in found:
            found = found[name]
        elif isinstance(found, (list, tuple)) and name.isdigit() and int(name) < len(found):
            found = found[int(name)]
        else:
            return _ABSENT
    return found


def value_at(values: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path.

    Raises:
        KeyError: There is none.
    """
    found = _at(values, path)
    if found is _ABSENT:
        raise KeyError(path)
    return found
