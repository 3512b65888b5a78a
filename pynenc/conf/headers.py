"""Headers: short texts that travel with an invocation, and with what its body submits."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pynenc.conf.text_maps import stored_map
from pynenc.identifiers.texts import is_storable, shown

MOST_HEADERS, MOST_BYTES = 32, 4096
"""An invocation has at most so many headers, of so many bytes in all."""

_NAME = re.compile(r"[a-z0-9._-]{1,64}")


def check_headers(given: Any) -> dict[str, str]:
    """Return headers by name.

    Raises:
        ValueError: A name or a value is not that of a header, or there are too many.
    """
    if not isinstance(given, Mapping):
        raise ValueError(f"headers={shown(given, 80)} is not a mapping of names to texts")
    for name, value in given.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(
                f"the name {shown(name, 80)} of a header does not consist of 1 to 64 lower-case letters, "
                f"digits, dots, dashes and underscores"
            )
        if not isinstance(value, str) or not is_storable(value) or not value.isprintable():
            raise ValueError(
                f"the header '{name}' has the value {shown(value, 80)}, which cannot be stored as text"
            )
    size = sum(len(name) + len(value.encode()) for name, value in given.items())
    if len(given) > MOST_HEADERS or size > MOST_BYTES:
        raise ValueError(
            f"the {len(given)} header(s) have {size} bytes in all, the inherited ones included; at most "
            f"{MOST_HEADERS} of {MOST_BYTES} bytes in all are allowed"
        )
    return dict(given)


def packed_headers(headers: Mapping[str, str]) -> str | None:
    """Return headers as the text that is stored; None for no headers."""
    return json.dumps(dict(headers), ensure_ascii=False) if headers else None


def stored_headers(packed: str | None) -> dict[str, str]:
    """Return the headers in a stored text; none if it is damaged."""
    return stored_map(packed)


def merged_headers(inherited: str | None, own: str | None) -> str | None:
    """Return stored headers over those that are inherited, as the text that is stored.

    Raises:
        ValueError: Together they are too many.
    """
    if own is None or inherited is None:
        return inherited if own is None else own
    return packed_headers(check_headers({**stored_headers(inherited), **stored_headers(own)}))
