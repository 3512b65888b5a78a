"""The JSON of the `JsonSerializer` where that carries a value, and pickle for all others.

Reading may execute code: use it only where all writers are trusted.
"""

from __future__ import annotations

import json
from typing import Any

import jsonpickle

from pynenc.exceptions import SerializationError
from pynenc.interruption import is_key_press
from pynenc.serializer.class_paths import find_class
from pynenc.serializer.json_serializer import JsonSerializer
from pynenc.serializer.kinds import FOREIGN_MARKS, MARK, is_passed_on, told
from pynenc.serializer.pickle_serializer import pickled, unpickled
from pynenc.serializer.stored_names import moved_in

_PICKLED = "py/pickle"
_PREFIX = f'{{"{_PICKLED}": '


class JsonPickleSerializer(JsonSerializer):
    """Everything that pickle can write; readable JSON for what the `JsonSerializer` carries."""

    executes_code = True

    def serialize(self, value: Any) -> str:
        try:
            return super().serialize(value)
        except SerializationError:
            pass
        try:
            return json.dumps({_PICKLED: pickled(value, self._converters)})
        except BaseException as error:
            if is_key_press(error):
                raise
            raise told(error) from error

    def deserialize(self, text: str) -> Any:
        if not any(tag in text for tag in FOREIGN_MARKS):
            return super().deserialize(text)
        try:
            if text.startswith(_PREFIX):
                return unpickled(json.loads(text)[_PICKLED], self._converters)
            return self._from_json(text)
        except BaseException as error:
            if is_passed_on(error):
                raise
            raise told(error).inside("stored value") from error

    def _from_json(self, text: str) -> Any:
        """Read a text with a tag in it, which may also be that of jsonpickle in version 0.1."""
        try:
            return super().deserialize(text)
        except SerializationError:
            if MARK in text:
                raise
            return jsonpickle.decode(text, keys=True, on_missing="error", classes=moved_in(text))

    def find_class(self, path: str) -> type:
        """Return a class by its path; its module is imported if need be."""
        return find_class(path, (path.partition(":")[0],))
