"""JSON, safe to read from untrusted places.

Reading never imports a module and runs no code but the `from_json` of classes that this
process has imported already. What plain JSON lacks is written as an object with the key
`__pynenc__`.
"""

from __future__ import annotations

import json
import sys
from enum import Enum
from typing import Any

from pynenc.exceptions import SerializationError
from pynenc.serializer.base_serializer import BaseSerializer, describe

_MARK = "__pynenc__"


class JsonSerializer(BaseSerializer):
    """JSON types, enumerations, exceptions and classes with `to_json` and `from_json`.

    A tuple comes back as a list. Keys of dictionaries must be strings.
    """

    def serialize(self, value: Any) -> str:
        try:
            return json.dumps(_to_plain(value), ensure_ascii=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise SerializationError(
                f"cannot write {describe(value)} as JSON: {error}. Pass JSON types, enumerations, "
                f"exceptions or objects with 'to_json' and 'from_json', or choose another serializer."
            ) from error

    def deserialize(self, text: str) -> Any:
        try:
            return _from_plain(json.loads(text))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise SerializationError(f"cannot read a value from JSON: {error}") from error


def _to_plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return {_MARK: "enum", "class": _path(type(value)), "name": value.name}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_to_plain(item) for item in value]
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"the dictionary key {key!r} is not a string")
        if _MARK in value:
            return {_MARK: "dict", "items": [[key, _to_plain(item)] for key, item in value.items()]}
        return {key: _to_plain(item) for key, item in value.items()}
    if isinstance(value, BaseException):
        return {_MARK: "exception", "class": _path(type(value)), "args": _to_plain(list(value.args))}
    if hasattr(value, "to_json") and hasattr(type(value), "from_json"):
        return {_MARK: "object", "class": _path(type(value)), "data": _to_plain(value.to_json())}
    raise TypeError(f"{describe(value)} is not a JSON type")


def _from_plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_from_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get(_MARK)
    if kind is None:
        return {key: _from_plain(item) for key, item in value.items()}
    if kind == "dict":
        return {key: _from_plain(item) for key, item in value["items"]}
    cls = _known_class(value["class"])
    if kind == "enum" and issubclass(cls, Enum):
        return cls[value["name"]]
    if kind == "exception" and issubclass(cls, BaseException):
        args = tuple(_from_plain(value["args"]))
        error = cls.__new__(cls, *args)
        error.args = args
        return error
    if kind == "object" and hasattr(cls, "from_json"):
        return cls.from_json(_from_plain(value["data"]))
    raise ValueError(f"{value['class']} cannot stand for '{kind}'")


def _path(cls: type) -> str:
    if "<locals>" in cls.__qualname__:
        raise TypeError(f"the class {cls.__qualname__} is defined inside a function")
    return f"{cls.__module__}:{cls.__qualname__}"


def _known_class(path: str) -> type:
    """Return a class by its path, among the modules that are imported already."""
    module, _, qualname = path.partition(":")
    found: Any = sys.modules.get(module)
    if found is None:
        raise ValueError(f"the module '{module}' of {path} is not imported in this process")
    for name in qualname.split("."):
        found = getattr(found, name, None)
    if not isinstance(found, type):
        raise ValueError(f"the class {path} does not exist here")
    return found
