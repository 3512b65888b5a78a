"""Pickle as text. Reading executes code: use it only where all writers are trusted."""

from __future__ import annotations

import base64
import io
import pickle
from typing import Any

from pynenc.interruption import is_key_press
from pynenc.serializer.base_serializer import BaseSerializer
from pynenc.serializer.exception_kind import changed_slots, is_built_in, made
from pynenc.serializer.kinds import told
from pynenc.serializer.stored_names import find_stored


class PickleSerializer(BaseSerializer):
    """Everything that pickle can write, as base64."""

    def serialize(self, value: Any) -> str:
        try:
            return pickled(value)
        except BaseException as error:
            if is_key_press(error):
                raise
            raise told(error) from error

    def deserialize(self, text: str) -> Any:
        try:
            return unpickled(text)
        except BaseException as error:
            if is_key_press(error):
                raise
            raise told(error).inside("stored pickled value") from error


def pickled(value: Any) -> str:
    """Return a value as the base64 of its pickle."""
    stream = io.BytesIO()
    _Pickler(stream, pickle.HIGHEST_PROTOCOL).dump(value)
    return base64.b64encode(stream.getvalue()).decode("ascii")


def unpickled(text: str) -> Any:
    """Return the value of a base64 pickle."""
    return _Unpickler(io.BytesIO(base64.b64decode(text, validate=True))).load()


class _Pickler(pickle.Pickler):
    """Writes exceptions so that their own constructors need not be called again with other arguments."""

    def reducer_override(self, value: Any) -> Any:
        cls = type(value)
        if not isinstance(value, BaseException) or not is_built_in(cls, "__reduce__"):
            return NotImplemented
        reduced: Any = value.__reduce__()
        _, arguments, *_ = reduced
        return rebuilt_exception, (cls, *arguments), {**changed_slots(value), **value.__dict__}


def rebuilt_exception(cls: type[BaseException], *arguments: Any) -> BaseException:
    """Return an exception that only the built-in classes above it have set up."""
    return made(cls, arguments)


class _Unpickler(pickle.Unpickler):
    """Finds classes of this package also under the names that they had when they were stored."""

    def find_class(self, module: str, name: str) -> Any:
        found = find_stored(f"{module}.{name}") if module.startswith("pynenc.") else None
        return found if found is not None else super().find_class(module, name)
