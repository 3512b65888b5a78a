"""Callables of triggers: what is stored of them is a description, and code is found by the definition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from pynenc.exceptions import TriggerFunctionError


class CallableReference(msgspec.Struct, frozen=True):
    """Names a function, so that equal definitions have equal ids; nothing is imported by it.

    Attributes:
        path: `module:qualname`, or None for a lambda or nested function.
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
    """Stands for a function that a stored definition names and the code of this process does not define.

    Stored text never becomes code: the function is not imported, a call of it fails.

    Args:
        reference: Which.
    """

    def __init__(self, reference: CallableReference) -> None:
        self.reference = reference

    def __call__(self, *arguments: Any) -> Any:
        """Refuse to be called.

        Raises:
            TriggerFunctionError: Always.
        """
        raise TriggerFunctionError(
            f"the function '{self.reference.description}' belongs to a trigger that the code of this process "
            f"does not define, or defines differently. Define the trigger in a module that runners import "
            f"(setting 'task_modules')."
        )
