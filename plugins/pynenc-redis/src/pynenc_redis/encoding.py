"""Values of records as text that Redis keeps: the first letter tells the type."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence

from pynenc.exceptions import StorageCorruptedError
from pynenc.storage.operations import Scalar, Value

NONE = "n"


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


def decode(text: str | bool | None) -> Scalar:
    """Return the value that a text stands for; a missing field is None."""
    if not isinstance(text, str) or text == NONE:
        return None
    kind, rest = text[0], text[1:]
    if kind == "s":
        return rest
    if kind == "i":
        return int(rest)
    if kind == "f":
        return float(rest)
    if kind == "b":
        return b64decode(rest)
    raise StorageCorruptedError(f"a field holds '{text[:40]}', which no pynenc wrote")


def encode_fields(values: Mapping[str, Scalar]) -> list[str]:
    """Return names and values in turn."""
    return [part for name, value in values.items() for part in (name, encode(value))]


def packed_entry(text: str) -> str:
    """Return one entry of an append-only field: its length in bytes, a colon and its text."""
    return f"{len(text.encode())}:{text}"


def entries(text: str | bool | None) -> tuple[str, ...]:
    """Return the entries of an append-only field, as `packed_entry` writes them."""
    if not isinstance(text, str):
        return ()
    data, found, at = text.encode(), [], 0
    while at < len(data):
        colon = data.index(b":", at)
        end = colon + 1 + int(data[at:colon])
        found.append(data[colon + 1 : end].decode())
        at = end
    return tuple(found)


def decode_fields(
    names: Sequence[str],
    texts: Iterable[str | bool | None],
    append_only: Sequence[str],
    orders: Sequence[str],
) -> dict[str, Value]:
    """Return a record, as the port promises it: nothing is None, but 0 where it orders an index."""
    record: dict[str, Value] = {}
    for name, text in zip(names, texts, strict=True):
        if name in append_only:
            record[name] = entries(text)
        else:
            value = decode(text)
            record[name] = 0 if value is None and name in orders else value
    return record
