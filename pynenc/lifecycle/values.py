"""Arguments and results between Python values and what is stored."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NoReturn

import msgspec

from pynenc.client_data_store.base_client_data_store import BaseClientDataStore
from pynenc.exceptions import ClientDataNotFoundError, SerializationError
from pynenc.identifiers.texts import error_text, type_name
from pynenc.invocation.packed_text import LITERAL, Announce, same_content
from pynenc.serializer.base_serializer import BaseSerializer
from pynenc.serializer.exception_data import (
    ExceptionData,
    as_text,
    exception_data,
    read_exception,
    readable,
    unpack_exception,
)
from pynenc.serializer.kinds import is_passed_on
from pynenc.storage.codecs import ELSEWHERE, too_large
from pynenc.storage.sealing import SEALED

PackedArguments = dict[str, str]
"""Parameter name to packed text."""

ALL_ARGUMENTS = "*"
_LONGEST_MESSAGE, _LONGEST_TRACE = 500, 4000
_SEALED_TEXT = "they are signed or encoded, and this process has no 'signing_keys' and no 'codec'"


class ValueCodec:
    """Serializes values and keeps the large ones apart.

    Args:
        serializer: Writes and reads them.
        store: Keeps those that are large.
        announce: Notes which large values are about to be stored.
        now: Returns the time of the clock that all processes share, in seconds since the epoch.
    """

    def __init__(
        self,
        serializer: BaseSerializer,
        store: BaseClientDataStore,
        announce: Announce,
        now: Callable[[], float],
    ) -> None:
        self._serializer = serializer
        self._store = store
        self._announce = announce
        self._now = now

    @property
    def sharing_window_s(self) -> float:
        """For how long calls share a large value that was stored once, in seconds."""
        return self._store.conf.sharing_window_minutes * 60

    def delete_large(self, value_ids: Sequence[str]) -> None:
        """Delete large values; absent ones are fine."""
        self._store.delete(value_ids)

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
        most = conf.max_value_bytes or math.inf
        packed: list[PackedArguments] = []
        large: list[tuple[PackedArguments, str]] = []
        for call in calls:
            texts: PackedArguments = {}
            for name, value in call.items():
                try:
                    text = serialize(value)
                    if not text.isascii():
                        text.encode()
                    if len(text) > most:
                        raise SerializationError(f"{too_large(conf.max_value_bytes)}; {ELSEWHERE}")
                except BaseException as error:  # noqa: BLE001 - see `_refuse`
                    _refuse(error, f"argument '{name}'")
                if len(text) >= large_from and name not in inline:
                    large.append((texts, name))
                elif text[:1] == "@":
                    text = LITERAL + text
                texts[name] = text
            packed.append(texts)
        if large:
            stored = self._store.pack([texts[name] for texts, name in large], self._announce, self._now())
            for (texts, name), text in zip(large, stored, strict=True):
                texts[name] = text
        return packed

    def unpack_arguments(self, stored: Sequence[str]) -> list[dict[str, Any]]:
        """Return arguments of several calls out of their stored form.

        Raises:
            SerializationError: A text cannot be read.
            ClientDataNotFoundError: A large value is gone.
        """
        packed_calls = [decode_arguments(text) for text in stored]
        if any(text[:1] == "@" for packed in packed_calls for text in packed.values()):
            texts = iter(self._store.unpack([text for packed in packed_calls for text in packed.values()]))
            packed_calls = [{name: next(texts) for name in packed} for packed in packed_calls]
        deserialize, calls = self._serializer.deserialize, []
        for packed in packed_calls:
            call: dict[str, Any] = {}
            for name, text in packed.items():
                try:
                    call[name] = deserialize(text)
                except BaseException as error:  # noqa: BLE001 - see `_refuse`
                    _refuse(error, f"argument '{name}'")
            calls.append(call)
        return calls

    def same_contents(self, packed: Mapping[str, str]) -> dict[str, str]:
        """Return for each packed argument a text that is the same for equal values, whatever their order."""
        try:
            texts = self._store.unpack(list(packed.values()))
        except ClientDataNotFoundError:  # purged just now
            return {name: same_content(text) for name, text in packed.items()}
        same = self._serializer.same_text
        return {name: same(text) for name, text in zip(packed, texts, strict=True)}

    def whole_texts(self, stored: Sequence[str]) -> list[str]:
        """Return stored texts with the large values that they refer to in their place.

        Raises:
            ClientDataNotFoundError: A large value is gone.
        """
        return list(self._store.unpack(stored))

    def read_texts(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """Return the values of whole texts, by name.

        Raises:
            SerializationError: A text cannot be read.
        """
        found: dict[str, Any] = {}
        for name, text in texts.items():
            try:
                found[name] = self._serializer.deserialize(text)
            except BaseException as error:  # noqa: BLE001 - see `_refuse`
                _refuse(error, f"'{name}'")
        return found

    # --- outcomes ----------------------------------------------------------------------

    def pack_result(self, result: Any) -> str:
        """Return a result in its stored form.

        Raises:
            SerializationError: It cannot be serialized.
        """
        conf = self._store.conf
        try:
            text = self._serializer.serialize(result)
            if not text.isascii():
                text.encode()
            if 0 < conf.max_value_bytes < len(text):
                raise SerializationError(f"{too_large(conf.max_value_bytes)}; {ELSEWHERE}")
        except BaseException as error:  # noqa: BLE001 - see `_refuse`
            _refuse(error, "result")
        if text[:1] != "@" and (conf.disable_client_data_store or len(text) < conf.min_size_to_cache):
            return text
        return self._store.pack([text], self._announce, self._now())[0]

    def pack_error(self, error: BaseException) -> str:
        """Return an exception in its stored form."""
        return self.pack_failure(self.failure_of(error))

    def failure_of(self, error: BaseException) -> ExceptionData:
        """Return what is stored of an exception. Never raises for an odd exception."""
        return exception_data(self._serializer, error)

    def pack_failure(self, failure: ExceptionData) -> str:
        """Return what `failure_of` gives in its stored form."""
        return self._store.pack([as_text(failure)], self._announce, self._now())[0]

    def attempt_of(self, error: BaseException) -> ExceptionData:
        """Return what is kept of the exception of an attempt that is made again."""
        return readable(error, _LONGEST_MESSAGE, _LONGEST_TRACE)

    def failures(self, stored: Sequence[str]) -> list[ExceptionData | None]:
        """Return what people read of exceptions, out of their stored form, None where that is damaged.

        Nothing is deserialized.

        Raises:
            ClientDataNotFoundError: A large one is gone.
        """
        return [read_exception(text) for text in self._store.unpack(stored)] if stored else []

    def unpack_results(self, stored: Sequence[str]) -> list[Any]:
        """Return results out of their stored form."""
        results: list[Any] = []
        texts = self._store.unpack(stored) if any(text[:1] == "@" for text in stored) else stored
        for text in texts:
            if text.startswith(SEALED):
                raise SerializationError(_SEALED_TEXT, "result")
            try:
                results.append(self._serializer.deserialize(text))
            except BaseException as error:  # noqa: BLE001 - see `_refuse`
                _refuse(error, "result")
        return results

    def unpack_error(self, stored: str) -> Exception:
        """Return an exception out of its stored form, with the remote traceback attached."""
        return unpack_exception(self._serializer, self._store.unpack([stored])[0])


def encode_arguments(packed: PackedArguments) -> str:
    """Return packed arguments as the one text that is stored."""
    return msgspec.json.encode(packed).decode()


def decode_arguments(stored: str) -> PackedArguments:
    """Return the packed arguments in a stored text.

    Raises:
        SerializationError: The text does not hold arguments.
    """
    try:
        return msgspec.json.decode(stored, type=dict[str, str])
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        why = _SEALED_TEXT if stored.startswith(SEALED) else f"they cannot be read: {error}"
        raise SerializationError(why, "stored arguments") from error


def _refuse(error: BaseException, what: str) -> NoReturn:
    """Raise what a serializer raised, whatever that is, as the one error for it."""
    if is_passed_on(error):
        raise error
    if not isinstance(error, SerializationError):
        error = SerializationError(f"the serializer raised {type_name(type(error))}: {error_text(error)}")
    raise error.inside(what) from error
