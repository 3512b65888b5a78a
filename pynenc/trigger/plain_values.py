"""Values of richer types in stored definitions, and beside the plain JSON of events."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import msgspec

_VALUE = "$value"

_READERS: Mapping[str, type] = {
    cls.__name__: cls
    for cls in (datetime, date, time, timedelta, Decimal, UUID, bytes, tuple, set, frozenset)
}
"""The types that a definition keeps, beside those of JSON."""

_ITEMS = ("tuple", "set", "frozenset")


def as_type_of(example: Any, value: Any) -> Any:
    """Return a plain value as the type of an example, or as it is if it does not stand for one."""
    cls = type(example)
    if isinstance(value, cls) or not (isinstance(example, Enum) or cls in _READERS.values()):
        return value
    try:
        return msgspec.convert(value, cls)
    except (msgspec.ValidationError, TypeError, ValueError):
        return value


def is_told_by_json(value: Any) -> bool:
    """Return whether the payload of an event can carry a value, so that it is read as an equal one."""
    if isinstance(value, Mapping):
        return all(isinstance(name, str) and is_told_by_json(inner) for name, inner in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(is_told_by_json, value))
    if value is None or isinstance(value, str | int | float):
        return not isinstance(value, float) or math.isfinite(value)
    try:
        return bool(msgspec.convert(msgspec.json.decode(msgspec.json.encode(value)), type(value)) == value)
    except (msgspec.MsgspecError, TypeError, ValueError):
        return False


def to_stored(value: Any, of_function: Callable[[Any], Any]) -> Any:
    """Return a value of a definition as JSON: functions by reference, richer types by name.

    Args:
        value: The value.
        of_function: Gives what stands for a function.
    """
    if isinstance(value, Enum):
        cls = type(value)
        return {_VALUE: ["enum", f"{cls.__module__}:{cls.__qualname__}", to_stored(value.value, of_function)]}
    if isinstance(value, Mapping):
        return {name: to_stored(inner, of_function) for name, inner in value.items()}
    name = type(value).__name__
    if isinstance(value, tuple | set | frozenset) and type(value) is _READERS.get(name):
        items = [to_stored(inner, of_function) for inner in value]
        return {_VALUE: [name, items if name == "tuple" else sorted(items, key=msgspec.json.encode)]}
    if isinstance(value, list):
        return [to_stored(inner, of_function) for inner in value]
    if _READERS.get(name) is type(value):
        return {_VALUE: [name, msgspec.to_builtins(value)]}
    if callable(value) and not isinstance(value, type):
        return of_function(value)
    return value


def from_stored(value: Any, to_function: Callable[[dict[str, Any]], Any | None]) -> Any:
    """Return what `to_stored` was given; an enumeration that is not imported here gives the plain value.

    Args:
        value: JSON.
        to_function: Gives the function that a dictionary stands for, or None if it stands for none.

    Raises:
        ValueError: Newer, damaged or hostile code has written it.
    """
    if isinstance(value, list):
        return [from_stored(inner, to_function) for inner in value]
    if not isinstance(value, dict):
        return value
    function = to_function(value)
    if function is not None:
        return function
    if value.keys() == {_VALUE}:
        return _restored(value[_VALUE], to_function)
    return {name: from_stored(inner, to_function) for name, inner in value.items()}


def _restored(told: Any, to_function: Callable[[dict[str, Any]], Any | None]) -> Any:
    match told:
        case ["enum", str(path), plain]:
            return _member(path, from_stored(plain, to_function))
        case [str(name), list(items)] if name in _ITEMS:
            return _READERS[name](from_stored(items, to_function))
        case [str(name), str(text)] if name in _READERS:
            return msgspec.convert(text, _READERS[name])
    raise ValueError(f"{told!r} is not a value that this version knows")


def _member(path: str, plain: Any) -> Any:
    """Return the member of an enumeration whose module is imported already; else its plain value."""
    module, _, name = path.partition(":")
    cls: Any = sys.modules.get(module)
    for part in name.split("."):
        cls = getattr(cls, part, None)
    if not (isinstance(cls, type) and issubclass(cls, Enum)):
        return plain
    try:
        return cls(plain)
    except ValueError:
        return plain
