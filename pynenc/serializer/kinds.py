"""Kinds of values, as the JSON serializer sees them: how each is written, and how it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pynenc.exceptions import SerializationError, StorageUnavailableError
from pynenc.identifiers.texts import error_text, type_name
from pynenc.interruption import is_key_press

MARK = "__pynenc__"
"""The key of an object that stands for what plain JSON lacks; its value names the kind."""

FOREIGN_MARKS = ("py/", "json://")
"""How the keys begin that jsonpickle gives a meaning of its own."""

_MOST_STEPS = 12


class RefusedError(Exception):
    """A value that cannot be written, or a text that cannot be read.

    Attributes:
        path: Where it stands inside the whole value, such as `["lines", "[3]", ".price"]`.
    """

    def __init__(self, why: str) -> None:
        self.why = why
        self.path: list[str] = []
        super().__init__(why)

    def inside(self, step: str) -> RefusedError:
        """Return this error, told from one level further out."""
        self.path.insert(0, step)
        return self

    def told(self) -> SerializationError:
        """Return this error as the caller of a serializer gets it."""
        steps = self.path if len(self.path) <= _MOST_STEPS else [*self.path[:5], " ... ", *self.path[-5:]]
        return SerializationError(self.why, "".join(steps).removeprefix("."))


class Writing(Protocol):
    """One run of the writer, as the kinds use it."""

    def plain(self, value: Any) -> Any:
        """Return the plain JSON that stands for a value."""

    def items(self, values: Iterable[Any]) -> list[Any]:
        """Return the plain JSON of values, in order."""

    def pairs(self, mapping: Mapping[Any, Any]) -> list[list[Any]]:
        """Return the keys and values of a mapping as plain JSON, in order."""

    def fields(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return named values as plain JSON."""

    def path_of(self, cls: type) -> str:
        """Return the path by which a reader finds a class."""


class Reading(Protocol):
    """The reader, as the kinds use it."""

    def find_class(self, path: str) -> type:
        """Return the class that a path stands for, if this process may build its objects."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of values that plain JSON lacks.

    Attributes:
        tag: The value of the mark.
        words: The kind in the manual's table.
        write: Returns the fields of the object that stands for a value.
        read: Returns the value that such an object stands for; what it holds is read already.
    """

    tag: str
    words: str
    write: Callable[[Any, Writing], dict[str, Any]]
    read: Callable[[dict[str, Any], Reading], Any]


def user_call(what: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of the user's; whatever it raises becomes a `RefusedError`.

    Raises:
        RefusedError: It raised.
        KeyboardInterrupt: The interrupt key was pressed.
    """
    try:
        return function(*arguments)
    except RefusedError:
        raise
    except BaseException as error:
        if is_key_press(error):
            raise
        raise RefusedError(f"{what} raised {type_name(type(error))}: {error_text(error)}") from error


def is_passed_on(error: BaseException) -> bool:
    """Return whether an exception says nothing about the value that is written or read."""
    return is_key_press(error) or isinstance(error, StorageUnavailableError)


def told(error: BaseException) -> SerializationError:
    """Return what went wrong in a serializer as the error that its caller gets."""
    if isinstance(error, RefusedError):
        return error.told()
    if isinstance(error, RecursionError):
        return SerializationError("it is nested too deeply")
    return SerializationError(f"{type_name(type(error))}: {error_text(error)}")


def whole_numbers(data: Mapping[str, Any], count: int) -> list[int]:
    """Return the items of stored data, which must be this many whole numbers.

    Raises:
        RefusedError: They are not.
    """
    items: list[Any] = exactly(data, "items", list)
    if len(items) != count or any(type(item) is not int for item in items):
        raise RefusedError(f"'items' does not hold {count} whole numbers")
    return items


def exactly(data: Mapping[str, Any], name: str, *types: type) -> Any:
    """Return an entry of stored data.

    Raises:
        RefusedError: It is absent, or of another type.
    """
    if name not in data:
        raise RefusedError(f"'{name}' is missing")
    value = data[name]
    if type(value) not in types:
        expected = " or ".join(each.__name__ for each in types)
        raise RefusedError(f"'{name}' is not of type {expected}")
    return value
