"""The arguments of a call, by the names of the parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class Arguments(Mapping[str, Any]):
    """Values by parameter name, which are equal to any mapping with the same.

    Attributes:
        kwargs: The values; `*args` and `**kwargs` parameters stand under their own names.
    """

    __slots__ = ("kwargs",)

    def __init__(self, kwargs: Mapping[str, Any] | None = None) -> None:
        self.kwargs: dict[str, Any] = dict(kwargs or {})

    def __iter__(self) -> Iterator[str]:
        return iter(self.kwargs)

    def __len__(self) -> int:
        return len(self.kwargs)

    def __getitem__(self, name: str) -> Any:
        return self.kwargs[name]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Arguments):
            return self.kwargs == other.kwargs
        return isinstance(other, Mapping) and self.kwargs == dict(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Arguments({', '.join(f'{name}={value!r}' for name, value in self.kwargs.items())})"
