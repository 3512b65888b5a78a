"""Keys: LMDB sorts them by their bytes and allows 511 of them."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable

_SHOWN = 200


def digest(text: str) -> bytes:
    """Stands for a text of any length; what is looked up but never sorted."""
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def sortable(number: float) -> bytes:
    """Eight bytes that sort like the number."""
    (bits,) = struct.unpack(">Q", struct.pack(">d", number))
    return struct.pack(">Q", bits ^ (0xFFFFFFFFFFFFFFFF if bits >> 63 else 1 << 63))


def sorted_text(text: str) -> bytes:
    """Sorts like the text; what two texts of the same long beginning differ in comes after it."""
    return text.encode()[:_SHOWN] + b"\0" + digest(text)


def values(parts: Iterable[object]) -> bytes:
    """Stands for some values, whatever their types."""
    return digest(repr(tuple(float(part) if isinstance(part, int) else part for part in parts)))


def following(prefix: bytes) -> bytes:
    """Return the first key behind all that begin with a prefix."""
    return prefix + b"\xff" * 16
