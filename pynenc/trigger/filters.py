"""Filters: exact values, operators and dotted paths, or a function that decides."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from pynenc.exceptions import TaskDefinitionError

_ABSENT = object()


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Return a comparison that is false for what is absent or cannot be compared."""

    def test(value: Any, wanted: Any) -> bool:
        try:
            return value is not _ABSENT and bool(compare(value, wanted))
        except TypeError:
            return False

    return test


def _regex(value: Any, pattern: Any) -> bool:
    return isinstance(value, str) and re.search(pattern, value) is not None


OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "$gt": _ordered(lambda value, wanted: value > wanted),
    "$gte": _ordered(lambda value, wanted: value >= wanted),
    "$lt": _ordered(lambda value, wanted: value < wanted),
    "$lte": _ordered(lambda value, wanted: value <= wanted),
    "$ne": lambda value, wanted: bool(value != wanted),
    "$in": lambda value, wanted: value in wanted,
    "$nin": lambda value, wanted: value not in wanted,
    "$exists": lambda value, wanted: (value is not _ABSENT) == bool(wanted),
    "$regex": _regex,
}


def passes(filter_: Mapping[str, Any] | Callable[..., bool] | None, values: Mapping[str, Any]) -> bool:
    """Return whether values pass a filter.

    A mapping names values, by dotted paths where they are nested, and for each a wanted value or
    operators that must all hold. A function gets the values and decides.
    """
    if filter_ is None:
        return True
    if callable(filter_):
        return bool(filter_(values))
    return all(_holds(_at(values, path), wanted) for path, wanted in filter_.items())


def result_passes(filter_: Any, result: Any) -> bool:
    """Return whether a result passes: a function of it, a filter on its items, or the value to equal."""
    if callable(filter_):
        return bool(filter_(result))
    if _is_operators(filter_):
        return _holds(result, filter_)
    if isinstance(filter_, Mapping) and isinstance(result, Mapping):
        return passes(filter_, result)
    return bool(result == filter_)


def check_filter(filter_: Any, where: str) -> None:
    """Refuse a filter that could never be evaluated.

    Raises:
        TaskDefinitionError: It is neither a mapping nor a function, or names an unknown operator.
    """
    if filter_ is None or callable(filter_):
        return
    if not isinstance(filter_, Mapping):
        raise TaskDefinitionError(f"the filter of {where} is {filter_!r}: give a dictionary or a function")
    for path, wanted in filter_.items():
        if not isinstance(path, str):
            raise TaskDefinitionError(f"the filter of {where} names {path!r}: names are text")
        check_operators(wanted, where)


def check_operators(wanted: Any, where: str) -> None:
    """Refuse unknown operators, and operands that do not fit.

    Raises:
        TaskDefinitionError: Names the operator.
    """
    if not isinstance(wanted, Mapping) or not any(str(name).startswith("$") for name in wanted):
        return
    for name, operand in wanted.items():
        if name not in OPERATORS:
            raise TaskDefinitionError(
                f"the filter of {where} has the operator '{name}'; there are: {', '.join(OPERATORS)}"
            )
        if name in ("$in", "$nin") and (isinstance(operand, str) or not isinstance(operand, Collection)):
            raise TaskDefinitionError(f"the operator '{name}' in the filter of {where} needs a list")
        if name == "$regex":
            try:
                re.compile(operand)
            except (re.error, TypeError) as error:
                raise TaskDefinitionError(
                    f"the pattern {operand!r} of {where} is not valid: {error}"
                ) from None


def _is_operators(wanted: Any) -> bool:
    return isinstance(wanted, Mapping) and bool(wanted) and all(name in OPERATORS for name in wanted)


def _holds(value: Any, wanted: Any) -> bool:
    if _is_operators(wanted):
        return all(OPERATORS[name](value, operand) for name, operand in wanted.items())
    return value is not _ABSENT and bool(value == wanted)


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
