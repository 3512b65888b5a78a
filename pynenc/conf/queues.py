"""Names of queues."""

from __future__ import annotations

DEFAULT_QUEUE = "default"
"""The queue of whatever names no other."""
