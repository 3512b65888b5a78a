"""Readable JSON for plain values and jsonpickle for all others.

Reading may execute code: use it only where all writers are trusted.
"""

from __future__ import annotations

import json
import pickle
from typing import Any

import jsonpickle

from pynenc.exceptions import SerializationError
from pynenc.serializer.base_serializer import BaseSerializer, describe
from pynenc.serializer.stored_names import moved_in

_ATOMS = frozenset({str, int, float, bool, type(None)})
_TAG = "py/"
_KEY_TAG = "json://"


class JsonPickleSerializer(BaseSerializer):
    """Everything that pickle could write, as JSON that a person can read."""

    def serialize(self, value: Any) -> str:
        if type(value) is int:
            return repr(value)
        try:
            if _is_plain(value):
                return json.dumps(value)
            # jsonpickle writes what it cannot represent as null; pickle refuses it.
            pickle.dumps(value)
            _refuse_tags(value)
            return str(jsonpickle.encode(value, keys=True, warn=True))
        except Exception as error:
            raise SerializationError(f"cannot serialize {describe(value)}: {error}") from error

    def deserialize(self, text: str) -> Any:
        try:
            if _TAG not in text and _KEY_TAG not in text:
                return json.loads(text)
            return jsonpickle.decode(text, keys=True, on_missing="error", classes=moved_in(text))
        except Exception as error:
            raise SerializationError(f"cannot read a value from jsonpickle: {error}") from error


def _is_plain(value: Any) -> bool:
    """Return whether JSON gives back exactly this value."""
    kind = type(value)
    if kind in _ATOMS:
        return kind is not str or _TAG not in value
    if kind is list:
        return all(map(_is_plain, value))
    if kind is dict:
        return all(map(_is_plain_key, value)) and all(map(_is_plain, value.values()))
    return False


def _is_plain_key(key: Any) -> bool:
    return type(key) is str and _TAG not in key and _KEY_TAG not in key


def _refuse_tags(value: Any) -> None:
    """Refuse dictionaries that jsonpickle would take for its own tags."""
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(key, str) and key.startswith((_TAG, _KEY_TAG)):
                raise ValueError(f"the dictionary key {key!r} looks like a tag of jsonpickle")
            _refuse_tags(item)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            _refuse_tags(item)
