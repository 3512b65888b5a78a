"""Values of records as text that Redis keeps: the first letter tells the type."""

from __future__ import annotations

import struct
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from pynenc.exceptions import StorageCorruptedError
from pynenc.storage.operations import Scalar, Value

NONE = "n"
_unpack = msgspec.msgpack.Decoder().decode
_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}
_NUMBERS = {0xCA: "f", 0xCB: "d", 0xCC: "B", 0xCD: "H", 0xCE: "I", 0xCF: "Q", 0xD0: "b", 0xD1: "h"}
_NUMBERS |= {0xD2: "i", 0xD3: "q"}
_TEXTS = {0xD9: "B", 0xDA: "H", 0xDB: "I"}
_LISTS = {0xDC: "H", 0xDD: "I"}


def encode(value: Scalar) -> str:
    """Return a value as text."""
    if value is None:
        return NONE
    if isinstance(value, str):
        return "s" + value
    if isinstance(value, int):  # booleans as well, as numbers
        return f"i{int(value)}"
    if isinstance(value, float):
        # Whole numbers look alike whatever their type, as a guard may compare the two.
        return f"i{int(value)}" if value.is_integer() and abs(value) < 2**53 else f"f{value!r}"
    return "b" + b64encode(value).decode()


def decode(text: str | bytes | bool | None) -> Scalar:
    """Return the value that a text stands for; a missing field is None.

    What nobody has written with `encode` comes back as bytes, so that the record it stands in counts as
    one that cannot be read, and the others of its page are.
    """
    if isinstance(text, str):
        kind = text[:1]
        try:
            if kind == "s":
                return text[1:]
            if kind == "f":
                return float(text[1:])
            if kind == "i":
                return int(text[1:])
            if text == NONE:
                return None
            if kind == "b":
                return b64decode(text[1:])
        except ValueError:
            pass
        return text.encode()
    return text if isinstance(text, bytes) else None


def encode_fields(values: Mapping[str, Scalar]) -> list[str]:
    """Return names and values in turn."""
    return [part for name, value in values.items() for part in (name, encode(value))]


def packed_entry(text: str) -> str:
    """Return one entry of an append-only field: its length in bytes, a colon and its text."""
    return f"{len(text.encode())}:{text}"


def entries(text: str | bytes | bool | None) -> tuple[str, ...]:
    """Return the entries of an append-only field, as `packed_entry` writes them, up to one it did not."""
    if not isinstance(text, str):
        return ()
    found: list[str] = []
    # Of plain ASCII, which nearly all are, each byte is a character and nothing has to be encoded.
    data: str | bytes = text if text.isascii() else text.encode()
    colons: Any = ":" if data is text else b":"
    at, size = 0, len(data)
    try:
        while at < size:
            colon = data.index(colons, at)
            end = colon + 1 + int(data[at:colon])
            if end <= at:
                break
            entry = data[colon + 1 : end]
            found.append(entry if isinstance(entry, str) else entry.decode())
            at = end
    except ValueError:
        pass  # whatever stands there, nobody has written it with `packed_entry`
    return tuple(found)


def unpack(packed: bytes) -> Any:
    """Return what a script has packed; texts that are not UTF-8 as bytes."""
    try:
        return _unpack(packed)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Unpacker(packed).value()


class _Unpacker:
    """Reads MessagePack as Redis writes it, with texts that may be no texts.

    https://github.com/msgpack/msgpack/blob/master/spec.md
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def _take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        if len(taken) < count:
            raise StorageCorruptedError("a reply of Redis ends too early")
        self._at += count
        return taken

    def _number(self, form: str) -> Any:
        return struct.unpack(f">{form}", self._take(struct.calcsize(form)))[0]

    def value(self) -> Any:
        """Return the next value."""
        kind = self._take(1)[0]
        if kind <= 0x7F:
            return kind
        if kind >= 0xE0:
            return kind - 0x100
        if 0x90 <= kind <= 0x9F:
            return [self.value() for _ in range(kind & 0x0F)]
        if 0xA0 <= kind <= 0xBF:
            return self._text(kind & 0x1F)
        if kind in _CONSTANTS:
            return _CONSTANTS[kind]
        if kind in _NUMBERS:
            return self._number(_NUMBERS[kind])
        if kind in _TEXTS:
            return self._text(self._number(_TEXTS[kind]))
        if kind in _LISTS:
            return [self.value() for _ in range(self._number(_LISTS[kind]))]
        raise StorageCorruptedError(f"a reply of Redis has a value of the unknown kind {kind:#x}")

    def _text(self, size: int) -> str | bytes:
        data = self._take(size)
        try:
            return data.decode()
        except UnicodeDecodeError:
            return data


def decode_rows(
    names: Sequence[str],
    rows: Iterable[Sequence[Any]],
    append_only: Sequence[str],
    orders: Sequence[str],
) -> Iterator[dict[str, Value]]:
    """Yield records, each from its key and its values, as the port promises them.

    Nothing is None, but what orders an index is 0 instead.
    """
    fields = [(name, name in append_only, 0 if name in orders else None) for name in names]
    for key, *texts in rows:
        record: dict[str, Value] = {"key": key}
        for (name, grows, rest), text in zip(fields, texts, strict=True):
            if grows:
                record[name] = entries(text)
            else:
                value = decode(text)
                record[name] = rest if value is None else value
        yield record
