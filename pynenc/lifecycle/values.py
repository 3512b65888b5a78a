"""Arguments and results between Python values and what is stored."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from pynenc.client_data_store.base_client_data_store import BaseClientDataStore
from pynenc.exceptions import SerializationError
from pynenc.serializer.base_serializer import BaseSerializer
from pynenc.serializer.exception_data import pack_exception, unpack_exception

PackedArguments = dict[str, str]
"""Parameter name to packed text."""

ALL_ARGUMENTS = "*"


class ValueCodec:
    """Serializes values and keeps the large ones apart."""

    def __init__(self, serializer: BaseSerializer, store: BaseClientDataStore) -> None:
        self._serializer = serializer
        self._store = store

    # --- arguments ---------------------------------------------------------------------

    def pack_arguments(
        self, calls: Sequence[Mapping[str, Any]], inline: Collection[str] = ()
    ) -> list[PackedArguments]:
        """Serialize the arguments of several calls.

        Args:
            calls: Bound arguments of each call.
            inline: Names of arguments that never go into the client data store, `*` for all.

        Raises:
            SerializationError: Names the argument that cannot be serialized.
        """
        serialized = [{name: self._serialize(name, value) for name, value in call.items()} for call in calls]
        if ALL_ARGUMENTS in inline:
            return [{name: _escaped(text) for name, text in arguments.items()} for arguments in serialized]
        large = [(arguments, name) for arguments in serialized for name in arguments if name not in inline]
        packed = self._store.pack([arguments[name] for arguments, name in large])
        for (arguments, name), text in zip(large, packed, strict=True):
            arguments[name] = text
        return serialized

    def _serialize(self, name: str, value: Any) -> str:
        try:
            return self._serializer.serialize(value)
        except SerializationError as error:
            raise SerializationError(f"argument '{name}': {error}") from error

    def unpack_arguments(self, stored: Sequence[str]) -> list[dict[str, Any]]:
        """Arguments of several calls out of their stored form.

        Raises:
            SerializationError: A text cannot be read.
            ClientDataNotFoundError: A large value is gone.
        """
        packed = [decode_arguments(text) for text in stored]
        texts = iter(self._store.unpack([text for call in packed for text in call.values()]))
        return [{name: self._serializer.deserialize(next(texts)) for name in call} for call in packed]

    # --- outcomes ----------------------------------------------------------------------

    def pack_result(self, result: Any) -> str:
        """A result in its stored form.

        Raises:
            SerializationError: It cannot be serialized.
        """
        try:
            text = self._serializer.serialize(result)
        except SerializationError as error:
            raise SerializationError(f"the result of the task: {error}") from error
        return self._store.pack([text])[0]

    def pack_error(self, error: BaseException) -> str:
        """An exception in its stored form."""
        return self._store.pack([pack_exception(self._serializer, error)])[0]

    def unpack_results(self, stored: Sequence[str]) -> list[Any]:
        """Results out of their stored form."""
        return [self._serializer.deserialize(text) for text in self._store.unpack(stored)]

    def unpack_error(self, stored: str) -> BaseException:
        """An exception out of its stored form, with the remote traceback attached."""
        return unpack_exception(self._serializer, self._store.unpack([stored])[0])


def _escaped(text: str) -> str:
    return f"@raw:{text}" if text.startswith("@") else text


def encode_arguments(packed: PackedArguments) -> str:
    """Packed arguments as the one text that is stored."""
    return msgspec.json.encode(packed).decode()


def decode_arguments(stored: str) -> PackedArguments:
    """The packed arguments in a stored text."""
    return msgspec.json.decode(stored, type=dict[str, str])
