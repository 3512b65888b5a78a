"""Codecs: what a value goes through between the serializer and the storage."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pynenc.exceptions import CodecError, ConfigError
from pynenc.identifiers.texts import error_text, type_name
from pynenc.interruption import is_key_press

_ASCII, _BASE64 = "a", "b"
NO_CODEC = "none"
"""What the setting `codec` says to write without a codec and to read what was written with one."""


class Codec(ABC):
    """Changes bytes into others and back.

    Args:
        keys: The keys of the setting `codec_keys`; the first writes, all read.

    Raises:
        ConfigError: A key cannot be used, or a library is missing.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self.keys = tuple(keys)

    @abstractmethod
    def encode(self, data: bytes) -> bytes:
        """Return the changed bytes."""

    @abstractmethod
    def decode(self, data: bytes, most: int) -> bytes:
        """Return the bytes that `encode` was given.

        Args:
            data: What `encode` gave, or anything else that somebody has stored.
            most: The largest size of the result in bytes; 0 for no bound.

        Raises:
            CodecError: It was not written with this codec and one of the keys, or is too large.
        """


class ZlibCodec(Codec):
    """Compresses with zlib, which every Python has."""

    def encode(self, data: bytes) -> bytes:
        return zlib.compress(data)

    def decode(self, data: bytes, most: int) -> bytes:
        unpacker = zlib.decompressobj()
        try:
            unpacked = unpacker.decompress(data, most)
        except zlib.error as error:
            raise CodecError(f"it was not compressed with zlib: {error}") from error
        if unpacker.unconsumed_tail:
            raise CodecError(too_large(most))
        if not unpacker.eof:
            raise CodecError("it was not compressed with zlib, or its end is missing")
        return unpacked


class ZstdCodec(Codec):
    """Compresses with Zstandard: `pip install pynenc[zstd]`."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__(keys)
        try:
            import zstandard  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise ConfigError("the codec 'zstd' needs `pip install pynenc[zstd]`") from error
        self._library: Any = zstandard
        self._own = threading.local()  # compressors are costly to make and for one thread each

    def encode(self, data: bytes) -> bytes:
        if not hasattr(self._own, "packer"):
            self._own.packer = self._library.ZstdCompressor()
        packed: bytes = self._own.packer.compress(data)
        return packed

    def decode(self, data: bytes, most: int) -> bytes:
        if not hasattr(self._own, "unpacker"):
            self._own.unpacker = self._library.ZstdDecompressor()
        try:
            size = self._library.frame_content_size(data)  # the frame never becomes larger than that
            if size < 0:
                raise CodecError("it does not tell its size, which what this codec compresses does")
            if 0 < most < size:
                raise CodecError(too_large(most))
            unpacked: bytes = self._own.unpacker.decompress(data)
        except (self._library.ZstdError, MemoryError) as error:
            raise CodecError(f"it was not compressed with Zstandard: {error}") from error
        return unpacked


class FernetCodec(Codec):
    """Encrypts and authenticates with Fernet: `pip install pynenc[fernet]`."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__(keys)
        try:
            from cryptography import fernet  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise ConfigError("the codec 'fernet' needs `pip install pynenc[fernet]`") from error
        if not keys:
            raise ConfigError("the codec 'fernet' needs a key in the setting 'codec_keys'")
        try:
            self._fernet = fernet.MultiFernet([fernet.Fernet(key) for key in keys])
        except ValueError:
            raise ConfigError(
                "a key in the setting 'codec_keys' cannot be used by the codec 'fernet': it must be what "
                "`cryptography.fernet.Fernet.generate_key()` makes"
            ) from None
        self._invalid = fernet.InvalidToken

    def encode(self, data: bytes) -> bytes:
        return self._fernet.encrypt(data)

    def decode(self, data: bytes, most: int) -> bytes:
        try:
            return self._fernet.decrypt(data)
        except self._invalid as error:
            raise CodecError("it was not encrypted with one of the keys in 'codec_keys'") from error


def _contained(name: str, change: Callable[..., bytes], *arguments: Any) -> bytes:
    """Return what a codec makes of bytes.

    Raises:
        CodecError: The codec has raised anything, or returned something else.
    """
    try:
        data = change(*arguments)
    except CodecError:
        raise
    except BaseException as error:
        if is_key_press(error):
            raise
        raise CodecError(
            f"the codec '{name}' raised {type_name(type(error))}: {error_text(error)}"
        ) from error
    if not isinstance(data, bytes):
        raise CodecError(f"the codec '{name}' returned {type_name(type(data))} in place of bytes")
    return data


ELSEWHERE = "keep the data elsewhere and pass where it is"


def too_large(most: int) -> str:
    """Return the reason for which a value of more than so many bytes is refused."""
    return f"it is larger than the setting 'max_value_bytes' allows ({most} bytes)"


class Codecs:
    """The codecs that an app writes with, and all that it can read.

    Args:
        chain: The names of the codecs to write with, in order.
        keys: The keys.
        classes: All codecs there are, by name.

    Raises:
        ConfigError: There is no such codec, or it cannot be used.
    """

    def __init__(self, chain: Sequence[str], keys: Sequence[str], classes: Mapping[str, type[Codec]]) -> None:
        self._classes = classes
        self._keys = tuple(keys)
        self._made: dict[str, Codec] = {}
        self.reads = bool(chain or keys)
        """Whether there may be values that were written with a codec."""
        chain = [name for name in chain if name != NO_CODEC]
        unknown = [name for name in chain if name not in classes]
        if unknown:
            names = ", ".join(sorted((*classes, NO_CODEC)))
            raise ConfigError(f"there is no codec '{unknown[0]}'; installed: {names}")
        self.chain = tuple(chain)
        for name in chain:
            self._codec(name)
        self._hash_keys = [
            hashlib.sha256(b"pynenc: ids of large values\0" + key.encode()).digest() for key in keys
        ]

    def _codec(self, name: str) -> Codec:
        if name not in self._made:
            if name not in self._classes:
                raise CodecError(f"it needs the codec '{name}', which is not installed here")
            self._made[name] = self._classes[name](self._keys)
        return self._made[name]

    @property
    def header(self) -> str:
        """The names of the codecs with which values are written."""
        return "+".join(self.chain)

    def encode(self, data: bytes) -> bytes:
        """Return bytes as they are stored."""
        for name in self.chain:
            data = _contained(name, self._codec(name).encode, data)
        return data

    def decode(self, header: str, data: bytes, most: int) -> bytes:
        """Return bytes that were stored, by the codecs in a header.

        Raises:
            CodecError: They cannot be read here, or are too large.
        """
        for name in reversed(header.split("+") if header else ()):
            try:
                codec = self._codec(name)
            except ConfigError as error:
                raise CodecError(str(error)) from error
            data = _contained(name, codec.decode, data, most)
        return data

    def encode_text(self, text: str) -> str:
        """Return a text as it is stored in a field of a record."""
        data = self.encode(text.encode("utf-8", "surrogatepass"))
        return _ASCII + data.decode() if data.isascii() else _BASE64 + base64.b64encode(data).decode()

    def decode_text(self, header: str, stored: str, most: int) -> str:
        """Return the text of a field.

        Raises:
            CodecError: It cannot be read here, or is too large.
        """
        mark, body = stored[:1], stored[1:]
        try:
            data = base64.b64decode(body, validate=True) if mark == _BASE64 else body.encode("ascii")
            return self.decode(header, data, most).decode("utf-8", "surrogatepass")
        except ValueError as error:  # no base64, no ASCII, no UTF-8
            raise CodecError(f"it is damaged: {error}") from error

    def content_of(self, text: str) -> str:
        """Return the hash by which equal texts are known; keyed, so that it tells nothing to others."""
        return self.contents_of(text)[0]

    def contents_of(self, text: str) -> list[str]:
        """Return the hashes under which a text may be stored, the one for new texts first."""
        data = text.encode("utf-8", "surrogatepass")
        keyed = [hmac.new(key, data, hashlib.sha256).hexdigest() for key in self._hash_keys]
        return [*keyed, hashlib.sha256(data).hexdigest()]
