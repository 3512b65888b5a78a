"""Passwords as they are kept in settings: hashed with scrypt (RFC 7914)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

_COST, _BLOCKS, _LANES = 2**14, 8, 1
_MEMORY = 256 * 1024 * 1024
_SIZE = 32
NOBODY = f"scrypt${_COST}${_BLOCKS}${_LANES}$AAAAAAAAAAAAAAAAAAAAAA==$AAAA"
"""A hash that no password has; checking against it takes as long as against any other."""


def hashed(password: str) -> str:
    """Return the hash of a password, with all that is needed to check it."""
    salt = secrets.token_bytes(16)
    made = _derived(password, salt, _COST, _BLOCKS, _LANES)
    parts = (base64.b64encode(salt).decode(), base64.b64encode(made).decode())
    return f"scrypt${_COST}${_BLOCKS}${_LANES}${parts[0]}${parts[1]}"


def is_password(password: str, stored: str) -> bool:
    """Return whether a password has a hash."""
    cost, blocks, lanes, salt, wanted = _parts(stored)
    return hmac.compare_digest(_derived(password, salt, cost, blocks, lanes), wanted)


def _parts(stored: str) -> tuple[int, int, int, bytes, bytes]:
    kind, *rest = stored.split("$")
    if kind != "scrypt" or len(rest) != 5:
        raise ValueError("it is not a hash of scrypt")
    cost, blocks, lanes = (int(each) for each in rest[:3])
    return cost, blocks, lanes, base64.b64decode(rest[3]), base64.b64decode(rest[4])


def _derived(password: str, salt: bytes, cost: int, blocks: int, lanes: int) -> bytes:
    secret = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(secret, salt=salt, n=cost, r=blocks, p=lanes, maxmem=_MEMORY, dklen=_SIZE)
