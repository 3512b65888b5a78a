"""The interface of client data stores, and what is the same for all of them.

A stored text stands for itself or refers to a large one by the hash of its content, so a
value is kept once however many calls share it.
"""

from __future__ import annotations

import hashlib
import threading
import zlib
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import ClassVar

from pynenc.conf.base_config import PynencConfig
from pynenc.conf.config_client_data_store import ConfigClientDataStore
from pynenc.exceptions import ClientDataNotFoundError
from pynenc.plugins.component import ComponentContext, DataComponent

_REFERENCE = "@ref:"
LITERAL = "@raw:"
"""What stands before a text that is kept in place and begins like a reference."""
_PLAIN, _ZLIB = b"p", b"z"


class BaseClientDataStore(DataComponent):
    """Keeps large serialized values by content."""

    config_class: ClassVar[type[PynencConfig]] = ConfigClientDataStore
    conf: ConfigClientDataStore

    def __init__(self, context: ComponentContext) -> None:
        super().__init__(context)
        self._local: OrderedDict[str, str] = OrderedDict()
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

    def pack(self, texts: Sequence[str]) -> list[str]:
        """Replace large texts by references, after storing those that are new.

        Returns:
            For each text what to store in its place; `unpack` gives the text back.
        """
        packed: list[str] = []
        new: dict[str, str] = {}
        for text in texts:
            if not self._is_large(text):
                packed.append(LITERAL + text if text.startswith("@") else text)
                continue
            key = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
            packed.append(_REFERENCE + key)
            if not self._is_at_hand(key):
                new[key] = text
        if new:
            self.put({key: self._encode(text) for key, text in new.items()})
            for key, text in new.items():
                self._remember(key, text)
        return packed

    def unpack(self, packed: Sequence[str]) -> list[str]:
        """Return the texts that `pack` was given.

        Raises:
            ClientDataNotFoundError: A value is gone from the store.
        """
        keys = {text.removeprefix(_REFERENCE) for text in packed if text.startswith(_REFERENCE)}
        found = self._fetch(keys) if keys else {}
        texts: list[str] = []
        for text in packed:
            if text.startswith(_REFERENCE):
                texts.append(found[text.removeprefix(_REFERENCE)])
            else:
                texts.append(text.removeprefix(LITERAL))
        return texts

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
                found[key] = _decode(blob)
                self._remember(key, found[key])
        return found

    def forget(self) -> None:
        """Drop the values that this process keeps at hand."""
        with self._lock:
            self._local.clear()

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

    def _is_at_hand(self, key: str) -> bool:
        with self._lock:
            return key in self._local

    def _remember(self, key: str, text: str) -> None:
        with self._lock:
            self._local[key] = text
            self._local.move_to_end(key)
            while len(self._local) > self.conf.local_cache_size:
                self._local.popitem(last=False)

    def _encode(self, text: str) -> bytes:
        data = text.encode("utf-8", "surrogatepass")
        return _ZLIB + zlib.compress(data) if self.conf.compression_enabled else _PLAIN + data


def _decode(blob: bytes) -> str:
    data = zlib.decompress(blob[1:]) if blob[:1] == _ZLIB else blob[1:]
    return data.decode("utf-8", "surrogatepass")
