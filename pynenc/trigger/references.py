"""Callables of triggers: functions that can be stored by import path, and those that cannot."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import msgspec

from pynenc.exceptions import TriggerFunctionError


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


def referenced(reference: CallableReference) -> Callable[..., Any]:
    """The function that a reference names; it is imported when it is called.

    Returns:
        A function that raises `TriggerFunctionError` if the named one cannot be had here.
    """

    def call(*arguments: Any) -> Any:
        return _imported(reference)(*arguments)

    return call


def _imported(reference: CallableReference) -> Callable[..., Any]:
    if reference.path is None:
        raise TriggerFunctionError(
            f"'{reference.description}' is a lambda or a nested function, which only a process that defines "
            f"the trigger can call. Make it a function of a module, or define the trigger where runners "
            f"import it."
        )
    module, _, name = reference.path.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as error:
        raise TriggerFunctionError(f"'{reference.description}' cannot be imported: {error}") from error
    function: Callable[..., Any] = found
    return function
