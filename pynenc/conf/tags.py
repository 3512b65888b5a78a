"""Tags: short labels of invocations, by which they are found."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pynenc.conf.text_maps import stored_map
from pynenc.identifiers.texts import is_storable, shown

MOST_TAGS = 8
"""An invocation has at most so many tags."""

_LONGEST_VALUE = 100
_NAME = re.compile(r"[a-z0-9._-]{1,32}")


def tags_of(value: Any) -> dict[str, str]:
    """Return tags by name, from a mapping, a JSON object or text like `team=blue,customer=42`.

    Raises:
        ValueError: A name or a value is not that of a tag, or there are too many.
    """
    given = _from_text(value) if isinstance(value, str) else value
    if not isinstance(given, Mapping):
        raise ValueError(f"{shown(value, 80)} is not a mapping of names to texts")
    if len(given) > MOST_TAGS:
        raise ValueError(f"there are {len(given)} tags, and {MOST_TAGS} are allowed")
    return {check_tag_name(name): check_tag_value(name, text) for name, text in given.items()}


def check_tag_name(name: Any) -> str:
    """Return the name of a tag.

    Raises:
        ValueError: It is another kind of name.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"the name {shown(name, 80)} of a tag does not consist of 1 to 32 lower-case letters, digits, "
            f"dots, dashes and underscores"
        )
    return name


def check_tag_value(name: str, value: Any) -> str:
    """Return the value of a tag.

    Raises:
        ValueError: It is not one.
    """
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_VALUE:
        raise ValueError(
            f"the tag '{name}' has the value {shown(value, 80)}, which is not a string of 1 to "
            f"{_LONGEST_VALUE} characters"
        )
    if not is_storable(value) or not value.isprintable() or '"' in value:
        raise ValueError(
            f"the value {shown(value, 80)} of the tag '{name}' has a double quote or characters that "
            f"cannot be shown"
        )
    return value


def _from_text(text: str) -> Any:
    if text.lstrip().startswith("{"):
        return json.loads(text)
    pairs = [each.strip() for each in text.split(",") if each.strip()]
    if any("=" not in each for each in pairs):
        raise ValueError(f"{shown(text, 80)} is not of the form name=value,name=value")
    return {name.strip(): value.strip() for name, _, value in (each.partition("=") for each in pairs)}


def packed_tags(tags: Mapping[str, str]) -> str | None:
    """Return tags as the text that is stored; None for no tags."""
    return json.dumps(dict(tags), ensure_ascii=False, sort_keys=True) if tags else None


def stored_tags(packed: str | None) -> dict[str, str]:
    """Return the tags in a stored text; none if it is damaged."""
    return stored_map(packed)


def tag_texts(packed: str | None) -> list[str]:
    """Return the tags in a stored text, each as `name=value`."""
    return [f"{name}={value}" for name, value in stored_tags(packed).items()]
