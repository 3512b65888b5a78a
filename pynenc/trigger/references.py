"""Callables of triggers: functions that can be stored by import path, and those that cannot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec


class CallableReference(msgspec.Struct, frozen=True):
    """Names a function.

    Attributes:
        path: `module:qualname`, or None for a lambda or nested function, which only the process
            that defines it can call.
        description: What to call it in messages.
    """

    path: str | None
    description: str


def reference_to(function: Callable[..., Any]) -> CallableReference:
    """The reference that stands for a function in a stored definition."""
    module = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", None)
    description = f"{module}.{name}" if module and name else repr(function)
    importable = bool(module and name) and "<" not in str(name) and module != "__main__"
    return CallableReference(f"{module}:{name}" if importable else None, description)
