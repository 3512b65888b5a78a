"""Pickle as text. Reading executes code: use it only where all writers are trusted."""

from __future__ import annotations

import base64
import io
import pickle
from typing import Any

from pynenc.exceptions import SerializationError
from pynenc.serializer.base_serializer import BaseSerializer, describe
from pynenc.serializer.stored_names import find_stored


class PickleSerializer(BaseSerializer):
    """Everything that pickle can write, as base64."""

    def serialize(self, value: Any) -> str:
        try:
            return base64.b64encode(pickle.dumps(value, pickle.HIGHEST_PROTOCOL)).decode("ascii")
        except Exception as error:
            raise SerializationError(f"cannot pickle {describe(value)}: {error}") from error

    def deserialize(self, text: str) -> Any:
        try:
            return _Unpickler(io.BytesIO(base64.b64decode(text, validate=True))).load()
        except Exception as error:
            raise SerializationError(f"cannot read a pickled value: {error}") from error


class _Unpickler(pickle.Unpickler):
    """Finds classes of this package also under the names that they had when they were stored."""

    def find_class(self, module: str, name: str) -> Any:
        found = find_stored(f"{module}.{name}") if module.startswith("pynenc.") else None
        return found if found is not None else super().find_class(module, name)
