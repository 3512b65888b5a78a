"""Exceptions with their arguments, attributes, notes and causes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pynenc.exceptions import RemoteTaskError, RemoteTraceback
from pynenc.identifiers.texts import error_text, type_name
from pynenc.serializer.class_kinds import ClassKind
from pynenc.serializer.class_paths import defines
from pynenc.serializer.kinds import Kind, Reading, RefusedError, Writing, exactly

_HEAP_TYPE = 1 << 9
_OWN_SLOTS = {
    # What built-in exceptions keep outside of their dictionary and do not take from their arguments.
    ImportError: ("name", "path", "msg"),
    NameError: ("name",),
    AttributeError: ("name",),
    OSError: (),
    SyntaxError: (),
    StopIteration: ("value",),
    SystemExit: ("code",),
}
_MOST_CAUSES = 20


def _write(value: BaseException, writing: Writing) -> dict[str, Any]:
    cls = type(value)
    stored: dict[str, Any] = {"class": writing.path_of(cls), "args": writing.items(_arguments(value))}
    attributes = {**dict(_slots(value)), **value.__dict__}
    if attributes:
        stored["attributes"] = writing.fields(attributes)
    for name, other in (("cause", value.__cause__), ("context", value.__context__)):
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


def _slots(value: BaseException) -> Iterator[tuple[str, Any]]:
    """Return the attributes that an exception keeps outside of its dictionary."""
    for base, names in _OWN_SLOTS.items():
        if isinstance(value, base):
            for name in names:
                found = getattr(value, name, None)
                if found is not None:
                    yield name, found
    for cls in type(value).__mro__:
        if cls.__flags__ & _HEAP_TYPE:
            slots = vars(cls).get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                    yield name, getattr(value, name)


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
        if type(name) is not str or (name.startswith("__") and name != "__notes__"):
            raise RefusedError(f"{name!r} is not an attribute of an exception")
        if _is_slot(cls, name):
            BaseException.__setattr__(error, name, value)
        else:
            error.__dict__[name] = value
    for name in ("cause", "context"):
        other = data.get(name)
        if other is not None and not isinstance(other, BaseException):
            raise RefusedError(f"'{name}' is not an exception")
    error.__cause__, error.__context__ = data.get("cause"), data.get("context")
    error.__suppress_context__ = data.get("suppress_context") is True
    return error


def made(cls: type[Any], arguments: Sequence[Any]) -> BaseException:
    """Return an exception that only the built-in classes above it have set up."""
    bases = [base for base in cls.__mro__ if not base.__flags__ & _HEAP_TYPE]
    maker: Any = next(base for base in bases if "__new__" in vars(base))
    starter: Any = next(base for base in bases if "__init__" in vars(base))
    if issubclass(maker, BaseExceptionGroup) and len(arguments) != 2:
        raise RefusedError("an exception group has a message and exceptions")
    error = maker.__new__(cls, *arguments)
    if not isinstance(error, BaseException):
        raise RefusedError("it is not an exception")
    starter.__init__(error, *arguments)
    return error


def is_built_in(cls: type, name: str) -> bool:
    """Return whether the attribute that a class has under a name is that of a built-in class."""
    return not next(base for base in cls.__mro__ if name in vars(base)).__flags__ & _HEAP_TYPE


def _is_slot(cls: type, name: str) -> bool:
    """Return whether an attribute lives in a slot, and not in the dictionary of an exception."""
    for base in cls.__mro__:
        if name in vars(base):
            return type(vars(base)[name]).__name__ in ("member_descriptor", "getset_descriptor")
    return False


EXCEPTION = ClassKind(
    Kind(
        "exception",
        "exceptions with arguments, attributes, notes, cause and context, and groups of them",
        _write,
        _read,
    ),
    lambda cls: issubclass(cls, BaseException) and not defines(cls, "from_json"),
)
