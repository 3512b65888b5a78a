"""Several texts, as one text that is stored."""

from __future__ import annotations

import json


def stored_map(packed: str | None) -> dict[str, str]:
    """Return the texts in a stored JSON object by name; none if it is damaged, or None."""
    try:
        found = json.loads(packed) if packed else {}
    except ValueError:
        return {}
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def stored_texts(packed: str | None) -> list[str]:
    """Return the texts in a stored JSON array; none if it is damaged, or None."""
    try:
        found = json.loads(packed) if packed else []
    except (ValueError, RecursionError):
        return []
    return [str(each) for each in found] if isinstance(found, list) else []
