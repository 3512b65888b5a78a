"""The base class of conditions, and filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

Filter = Mapping[str, Any] | Callable[..., bool]
"""Exact values and operators by (dotted) name, or a function that decides."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Base of all conditions.

    Attributes:
        kind: Name under which a context is reached in a composite, such as `ctx["event"]`.
    """

    kind: ClassVar[str]
