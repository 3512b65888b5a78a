"""The interface of client data stores, and what is the same for all of them.

A stored text stands for itself or refers to a large one by the hash of its content, so a value is
kept once for all calls that share it within a window of time.
"""

from __future__ import annotations

import math
import threading
import time
import zlib
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import ClassVar

from pynenc.conf.base_config import PynencConfig
from pynenc.conf.config_client_data_store import ConfigClientDataStore
from pynenc.exceptions import ClientDataNotFoundError, CodecError, SerializationError
from pynenc.invocation.packed_text import LITERAL, Announce, reference, referred, value_id
from pynenc.plugins.component import ComponentContext, DataComponent
from pynenc.storage.codecs import ELSEWHERE, Codecs, ZlibCodec, too_large

_SURE_S = 10.0
_PLAIN, _ZLIB, _CODED = b"p", b"z", b"c"


class BaseClientDataStore(DataComponent):
    """Keeps large serialized values by content."""

    config_class: ClassVar[type[PynencConfig]] = ConfigClientDataStore
    conf: ConfigClientDataStore

    def __init__(self, context: ComponentContext) -> None:
        super().__init__(context)
        self._local: OrderedDict[str, str] = OrderedDict()
        self._local_size = 0
        self._sure_until: dict[str, float] = {}
        self.codecs = Codecs((), (), {"zlib": ZlibCodec})
        """What values go through; the app sets it."""
        self._lock = threading.Lock()

    @abstractmethod
    def put(self, blobs: Mapping[str, bytes]) -> None:
        """Store values under their keys; a key that is there already is left alone."""

    @abstractmethod
    def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return values in order, None where there is none."""

    @abstractmethod
    def delete(self, keys: Sequence[str]) -> None:
        """Delete values; absent keys are fine."""

    def pack(
        self, texts: Sequence[str], announce: Announce | None = None, now: float | None = None
    ) -> list[str]:
        """Replace large texts by references, after storing those that are new.

        Args:
            texts: The texts.
            announce: Called for those that are new, before they are stored.
            now: The time by the clock that all processes share, in seconds since the epoch; None for
                the clock of this machine.

        Returns:
            For each text what to store in its place; `unpack` gives the text back.
        """
        packed: list[str] = []
        new: dict[str, str] = {}
        window_s = self.conf.sharing_window_minutes * 60
        end = math.ceil(((time.time() if now is None else now) // window_s + 1) * window_s)
        for text in texts:
            if not self._is_large(text):
                packed.append(LITERAL + text if text.startswith("@") else text)
                continue
            key = value_id(self.codecs.content_of(text), end)
            packed.append(reference(key))
            if not self._is_surely_there(key):
                new[key] = text
        if new:
            if announce is not None:
                announce(list(new), end + window_s)
            self.put({key: self._encode(text) for key, text in new.items()})
            for key, text in new.items():
                self._remember(key, text, time.monotonic() + _SURE_S)
        return packed

    def unpack(self, packed: Sequence[str]) -> list[str]:
        """Return the texts that `pack` was given.

        Raises:
            ClientDataNotFoundError: A value is gone from the store.
            SerializationError: What is stored under an id is not what the id says, or too large.
        """
        keys = [referred(text) for text in packed]
        wanted = {key for key in keys if key is not None}
        found = self._fetch(wanted) if wanted else {}
        return [
            text.removeprefix(LITERAL) if key is None else found[key]
            for text, key in zip(packed, keys, strict=True)
        ]

    def _fetch(self, keys: set[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        with self._lock:
            for key in keys & self._local.keys():
                self._local.move_to_end(key)
                found[key] = self._local[key]
        missing = sorted(keys - found.keys())
        if missing:
            for key, blob in zip(missing, self.get(missing), strict=True):
                if blob is None:
                    raise ClientDataNotFoundError(
                        f"the large value {key} is not in the client data store of app "
                        f"'{self.app_id}': it was purged, or another store was configured when it "
                        f"was written"
                    )
                found[key] = self._decode(key, blob)
                self._remember(key, found[key])
        return found

    def forget(self) -> None:
        """Drop the values that this process keeps at hand."""
        with self._lock:
            self._local.clear()
            self._sure_until.clear()
            self._local_size = 0

    def _is_large(self, text: str) -> bool:
        size = len(text)
        if self.conf.disable_client_data_store or size < self.conf.min_size_to_cache:
            return False
        if 0 < self.conf.warn_threshold < size:
            self.logger.warning(
                "a serialized value of %d characters exceeds warn_threshold (%d): consider passing a "
                "reference to the data instead",
                size,
                self.conf.warn_threshold,
            )
        return not 0 < self.conf.max_size_to_cache < size

    def _is_surely_there(self, key: str) -> bool:
        """Return whether this process has stored a value, and so short a while ago that nobody purged it."""
        with self._lock:
            return key in self._local and self._sure_until.get(key, 0.0) > time.monotonic()

    def _remember(self, key: str, text: str, sure_until: float = 0.0) -> None:
        """Keep a value at hand, and no more than the settings allow."""
        conf = self.conf
        with self._lock:
            if sure_until:
                self._sure_until[key] = sure_until
            self._local_size += len(text) - len(self._local.get(key, ""))
            self._local[key] = text
            self._local.move_to_end(key)
            while self._local and (
                len(self._local) > conf.local_cache_size or self._local_size > conf.local_cache_characters
            ):
                dropped, value = self._local.popitem(last=False)
                self._local_size -= len(value)
                self._sure_until.pop(dropped, None)

    def _encode(self, text: str) -> bytes:
        data = text.encode("utf-8", "surrogatepass")
        if 0 < self.conf.max_value_bytes < len(data):
            raise SerializationError(f"{too_large(self.conf.max_value_bytes)}; {ELSEWHERE}")
        if self.codecs.chain:
            return _CODED + self.codecs.header.encode() + b":" + self.codecs.encode(data)
        return _ZLIB + zlib.compress(data) if self.conf.compression_enabled else _PLAIN + data

    def _decode(self, key: str, blob: bytes) -> str:
        """Return the text of a stored value, if it is the one that the id stands for."""
        kind, data, most = blob[:1], blob[1:], self.conf.max_value_bytes
        try:
            if kind == _CODED:
                header, _, data = data.partition(b":")
                data = self.codecs.decode(header.decode(), data, most)
            elif kind == _ZLIB:
                data = self.codecs.decode("zlib", data, most)
            if 0 < most < len(data):
                raise CodecError(too_large(most))
            text = data.decode("utf-8", "surrogatepass")
        except (CodecError, UnicodeDecodeError) as error:
            raise SerializationError(f"the large value {key} cannot be read: {error}") from error
        if key.partition(".")[0] not in self.codecs.contents_of(text):
            raise SerializationError(
                f"the large value {key} is not what was stored under this id: its content has another hash"
            )
        return text
