"""Exceptions with their arguments, attributes, notes and causes."""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from typing import Any

from pynenc.exceptions import RemoteTaskError, RemoteTraceback
from pynenc.identifiers.texts import error_text, type_name
from pynenc.serializer.class_kinds import ClassKind
from pynenc.serializer.class_paths import attribute_of, defines
from pynenc.serializer.kinds import Kind, Reading, RefusedError, Writing, exactly

_HEAP_TYPE = 1 << 9
_SLOT_TYPES = (types.MemberDescriptorType, types.GetSetDescriptorType)
_NOT_KEPT = frozenset({"args", "obj"})
"""Arguments are stored by themselves; the object of an AttributeError is rarely one that is carried."""
_METHODS = frozenset(dir(BaseException)) - {"__notes__"}
_PARSING = (
    OSError,
    SyntaxError,
    UnicodeDecodeError,
    UnicodeEncodeError,
    UnicodeTranslateError,
    BaseExceptionGroup,
)
"""Classes whose constructors look into their arguments, and so may call methods of those."""
_CAREFUL = ("builtins", "pathlib")
_MISSING = object()


def _write(value: BaseException, writing: Writing) -> dict[str, Any]:
    cls = type(value)
    stored: dict[str, Any] = {"class": writing.path_of(cls), "args": writing.items(_arguments(value))}
    attributes = {**changed_slots(value), **value.__dict__}
    attributes.pop("__orig_class__", None)
    if any((name.startswith("__") and name != "__notes__") or name in _METHODS for name in attributes):
        raise RefusedError("an exception with an attribute that hides one of Python's own is not carried")
    if attributes:
        stored["attributes"] = writing.fields(attributes)
    # `raise ... from` sets both; the context would be told twice at every level of a chain.
    name = "cause" if value.__cause__ is not None else "context"
    other = value.__cause__ or value.__context__
    if other is not None and not isinstance(other, RemoteTraceback):
        stored[name] = _cause(other, writing)
    if value.__suppress_context__:
        stored["suppress_context"] = True
    return stored


def _arguments(value: BaseException) -> tuple[Any, ...]:
    if isinstance(value, OSError) and value.filename is not None and len(value.args) == 2:
        # OSError takes the names of files out of its arguments.
        second = (None, value.filename2) if value.filename2 is not None else ()
        return (*value.args, value.filename, *second)
    return value.args


def changed_slots(value: BaseException) -> dict[str, Any]:
    """Return the attributes outside of the dictionary that the arguments alone do not bring back."""
    cls = type(value)
    rebuilt = made(cls, _arguments(value))
    changed: dict[str, Any] = {}
    for base in cls.__mro__:
        for name, attribute in vars(base).items():
            if not isinstance(attribute, _SLOT_TYPES) or name.startswith("__") or name in _NOT_KEPT:
                continue
            now, then = (_slot(attribute, each) for each in (value, rebuilt))
            if now is not then and (now is _MISSING or type(now) is not type(then) or now != then):
                changed[name] = None if now is _MISSING else now
    return changed


def _slot(attribute: Any, error: BaseException) -> Any:
    try:
        return attribute.__get__(error, type(error))
    except AttributeError:
        return _MISSING


def _cause(cause: BaseException, writing: Writing) -> Any:
    """Write a cause; one that cannot be carried is replaced by what is known of it."""
    try:
        return writing.plain(cause)
    except RefusedError:
        return writing.plain(RemoteTaskError(type_name(type(cause)), error_text(cause)))


def _read(data: dict[str, Any], reading: Reading) -> BaseException:
    cls = reading.find_class(exactly(data, "class", str))
    if not EXCEPTION.fits(cls):
        raise RefusedError(f"{data['class']} cannot stand for 'exception'")
    error = made(cls, exactly(data, "args", list))
    for name, value in exactly(data, "attributes", dict).items() if "attributes" in data else ():
        if type(name) is not str or (name.startswith("__") and name != "__notes__") or name in _METHODS:
            raise RefusedError(f"{name!r} is not an attribute of an exception")
        slot: Any = attribute_of(cls, name)
        if isinstance(slot, _SLOT_TYPES):
            slot.__set__(error, value)
        else:
            error.__dict__[name] = value
    for name in ("cause", "context"):
        other = data.get(name)
        if other is not None and not isinstance(other, BaseException):
            raise RefusedError(f"'{name}' is not an exception")
        # Not by assignment: a class may define `__setattr__`.
        vars(BaseException)[f"__{name}__"].__set__(error, other)
    suppresses = data.get("suppress_context") is True
    vars(BaseException)["__suppress_context__"].__set__(error, suppresses)
    return error


def made(cls: type[Any], arguments: Sequence[Any]) -> BaseException:
    """Return an exception that only the built-in classes above it have set up."""
    bases = [base for base in cls.__mro__ if not base.__flags__ & _HEAP_TYPE]
    maker: Any = next(base for base in bases if "__new__" in vars(base))
    starter: Any = next(base for base in bases if "__init__" in vars(base))
    if issubclass(cls, _PARSING) and any(type(each).__module__ not in _CAREFUL for each in _flat(arguments)):
        raise RefusedError(f"the arguments of {type_name(cls)} are not all of built-in types")
    try:
        error: BaseException = maker.__new__(cls, *arguments)
        starter.__init__(error, *arguments)
    except Exception as refused:
        raise RefusedError(
            f"{type_name(cls)} cannot be made of its arguments: {error_text(refused)}"
        ) from refused
    return error


def _flat(arguments: Sequence[Any]) -> Iterator[Any]:
    """Return arguments, and instead of lists and tuples what they hold; exceptions are left out."""
    for each in arguments:
        if type(each) in (list, tuple):
            yield from _flat(each)
        elif not issubclass(type(each), BaseException):
            yield each


def is_built_in(cls: type, name: str) -> bool:
    """Return whether the attribute that a class has under a name is that of a built-in class."""
    return not next(base for base in cls.__mro__ if name in vars(base)).__flags__ & _HEAP_TYPE


EXCEPTION = ClassKind(
    Kind(
        "exception",
        "exceptions with arguments, attributes, notes, cause and context, and groups of them",
        _write,
        _read,
    ),
    lambda cls: issubclass(cls, BaseException) and not defines(cls, "from_json"),
)
