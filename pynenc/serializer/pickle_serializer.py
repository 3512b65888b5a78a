"""Pickle as text. Reading executes code: use it only where all writers are trusted."""

from __future__ import annotations

import base64
import io
import pickle
from typing import Any

from pynenc.exceptions import SerializationError
from pynenc.interruption import is_key_press
from pynenc.plugins.component import ComponentContext
from pynenc.serializer.base_serializer import BaseSerializer, FromPlain, ToPlain
from pynenc.serializer.exception_kind import changed_slots, is_built_in, made
from pynenc.serializer.kinds import is_passed_on, told
from pynenc.serializer.stored_names import find_stored

Converters = dict[str, tuple[ToPlain, FromPlain]]
"""The functions by which objects of classes are written and read, by the path of the class."""


class PickleSerializer(BaseSerializer):
    """Everything that pickle can write, as base64."""

    executes_code = True

    def __init__(self, context: ComponentContext) -> None:
        super().__init__(context)
        self._converters: Converters = {}

    def register_path(self, path: str, to_plain: ToPlain, from_plain: FromPlain) -> None:
        self._converters[path] = to_plain, from_plain

    def serialize(self, value: Any) -> str:
        try:
            return pickled(value, self._converters)
        except BaseException as error:
            if is_key_press(error):
                raise
            raise told(error) from error

    def deserialize(self, text: str) -> Any:
        try:
            return unpickled(text, self._converters)
        except BaseException as error:
            if is_passed_on(error):
                raise
            raise told(error).inside("stored pickled value") from error


def pickled(value: Any, converters: Converters) -> str:
    """Return a value as the base64 of its pickle."""
    stream = io.BytesIO()
    _Pickler(stream, converters).dump(value)
    return base64.b64encode(stream.getvalue()).decode("ascii")


def unpickled(text: str, converters: Converters) -> Any:
    """Return the value of a base64 pickle."""
    return _Unpickler(io.BytesIO(base64.b64decode(text, validate=True)), converters).load()


class _Pickler(pickle.Pickler):
    """Writes what has a converter with it, such as a task by its id, without the settings of its app.

    Exceptions are written so that their own constructors need not be called again with other arguments.
    """

    def __init__(self, stream: io.BytesIO, converters: Converters) -> None:
        super().__init__(stream, pickle.HIGHEST_PROTOCOL)
        self._converters = converters

    def reducer_override(self, value: Any) -> Any:
        cls = type(value)
        path = f"{cls.__module__}:{cls.__qualname__}"
        if path in self._converters:
            return converted, (path, self._converters[path][0](value))
        if not isinstance(value, BaseException) or not is_built_in(cls, "__reduce__"):
            return NotImplemented
        reduced: Any = value.__reduce__()
        _, arguments, *_ = reduced
        return rebuilt_exception, (cls, *arguments), {**changed_slots(value), **value.__dict__}


def rebuilt_exception(cls: type[BaseException], *arguments: Any) -> BaseException:
    """Return an exception that only the built-in classes above it have set up."""
    return made(cls, arguments)


def converted(path: str, data: Any) -> Any:
    """Stand in a pickle for the converter of a class, which the reader puts in its place."""
    raise SerializationError(f"only a serializer with a converter for {path} can read this")


class _Unpickler(pickle.Unpickler):
    """Finds classes of this package also under the names that they had when they were stored."""

    def __init__(self, stream: io.BytesIO, converters: Converters) -> None:
        super().__init__(stream)
        self._converters = converters

    def _converted(self, path: str, data: Any) -> Any:
        if path not in self._converters:
            raise SerializationError(f"no converter is registered for {path}")
        return self._converters[path][1](data)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == (converted.__module__, converted.__name__):
            return self._converted
        found = find_stored(f"{module}.{name}") if module.startswith("pynenc.") else None
        return found if found is not None else super().find_class(module, name)
