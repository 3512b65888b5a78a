"""Arguments and results between Python values and what is stored."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from pynenc.client_data_store.base_client_data_store import LITERAL, BaseClientDataStore
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
        serialize, conf = self._serializer.serialize, self._store.conf
        is_off = conf.disable_client_data_store or ALL_ARGUMENTS in inline
        large_from = math.inf if is_off else conf.min_size_to_cache
        packed: list[PackedArguments] = []
        large: list[tuple[PackedArguments, str]] = []
        for call in calls:
            texts: PackedArguments = {}
            for name, value in call.items():
                try:
                    text = serialize(value)
                except SerializationError as error:
                    raise SerializationError(f"argument '{name}': {error}") from error
                if len(text) >= large_from and name not in inline:
                    large.append((texts, name))
                elif text[:1] == "@":
                    text = LITERAL + text
                texts[name] = text
            packed.append(texts)
        if large:
            stored = self._store.pack([texts[name] for texts, name in large])
            for (texts, name), text in zip(large, stored, strict=True):
                texts[name] = text
        return packed

    def unpack_arguments(self, stored: Sequence[str]) -> list[dict[str, Any]]:
        """Return arguments of several calls out of their stored form.

        Raises:
            SerializationError: A text cannot be read.
            ClientDataNotFoundError: A large value is gone.
        """
        packed = [msgspec.json.decode(text, type=dict[str, str]) for text in stored]
        texts = iter(self._unpacked([text for call in packed for text in call.values()]))
        deserialize = self._serializer.deserialize
        return [{name: deserialize(next(texts)) for name in call} for call in packed]

    def _unpacked(self, texts: Sequence[str]) -> Sequence[str]:
        return self._store.unpack(texts) if any(text[:1] == "@" for text in texts) else texts

    # --- outcomes ----------------------------------------------------------------------

    def pack_result(self, result: Any) -> str:
        """Return a result in its stored form.

        Raises:
            SerializationError: It cannot be serialized.
        """
        try:
            text = self._serializer.serialize(result)
        except SerializationError as error:
            raise SerializationError(f"the result of the task: {error}") from error
        conf = self._store.conf
        if text[:1] != "@" and (conf.disable_client_data_store or len(text) < conf.min_size_to_cache):
            return text
        return self._store.pack([text])[0]

    def pack_error(self, error: BaseException) -> str:
        """Return an exception in its stored form."""
        return self._store.pack([pack_exception(self._serializer, error)])[0]

    def unpack_results(self, stored: Sequence[str]) -> list[Any]:
        """Return results out of their stored form."""
        return [self._serializer.deserialize(text) for text in self._unpacked(stored)]

    def unpack_error(self, stored: str) -> BaseException:
        """Return an exception out of its stored form, with the remote traceback attached."""
        return unpack_exception(self._serializer, self._store.unpack([stored])[0])


def encode_arguments(packed: PackedArguments) -> str:
    """Return packed arguments as the one text that is stored."""
    return msgspec.json.encode(packed).decode()


def decode_arguments(stored: str) -> PackedArguments:
    """Return the packed arguments in a stored text."""
    return msgspec.json.decode(stored, type=dict[str, str])
