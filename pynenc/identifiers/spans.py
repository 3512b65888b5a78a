"""Spans of time as people write them: `30s`, `10m`, `2h`, `7d`, `1w`."""

from __future__ import annotations

import re
from datetime import timedelta

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SPAN = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s*([smhdw])", re.ASCII)


def span_seconds(text: str) -> float | None:
    """Return a span in seconds, None if the text is not a span.

    Raises:
        OverflowError: It is longer than any time.
    """
    found = _SPAN.fullmatch(text.strip().lower())
    if found is None:
        return None
    return timedelta(seconds=float(found[1]) * _SECONDS[found[2]]).total_seconds()
