"""Pickle as text. Reading executes code: use it only where all writers are trusted."""

from __future__ import annotations

import base64
import pickle
from typing import Any

from pynenc.exceptions import SerializationError
from pynenc.serializer.base_serializer import BaseSerializer, describe


class PickleSerializer(BaseSerializer):
    """Everything that pickle can write, as base64."""

    def serialize(self, value: Any) -> str:
        try:
            return base64.b64encode(pickle.dumps(value, pickle.HIGHEST_PROTOCOL)).decode("ascii")
        except Exception as error:
            raise SerializationError(f"cannot pickle {describe(value)}: {error}") from error

    def deserialize(self, text: str) -> Any:
        try:
            return pickle.loads(base64.b64decode(text, validate=True))
        except Exception as error:
            raise SerializationError(f"cannot read a pickled value: {error}") from error
