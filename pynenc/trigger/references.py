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
    """Return the reference that stands for a function in a stored definition."""
    if isinstance(function, ReferencedFunction):
        return function.reference
    module = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", None)
    description = f"{module}.{name}" if module and name else repr(function)
    importable = bool(module and name) and "<" not in str(name) and module != "__main__"
    return CallableReference(f"{module}:{name}" if importable else None, description)


class ReferencedFunction:
    """The function that a reference names; it is imported when it is called.

    Args:
        reference: Which.

    Raises:
        TriggerFunctionError: At a call: the function cannot be had here.
    """

    def __init__(self, reference: CallableReference) -> None:
        self.reference = reference

    def __call__(self, *arguments: Any) -> Any:
        return _imported(self.reference)(*arguments)


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
