"""Arguments of calls, bound to the parameters of a function like Python does."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_SIMPLE = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Arguments:
    """Values by parameter name.

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
        return isinstance(other, Arguments) and self.kwargs == other.kwargs

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Arguments({', '.join(f'{name}={value!r}' for name, value in self.kwargs.items())})"


class ArgumentBinder:
    """Binds calls of one function.

    Attributes:
        is_simple: Whether the function can be called with keyword arguments only.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.signature = inspect.signature(function)
        parameters = self.signature.parameters.values()
        self.is_simple = all(parameter.kind in _SIMPLE for parameter in parameters)
        positional = [each for each in parameters if each.kind == inspect.Parameter.POSITIONAL_OR_KEYWORD]
        self._positional = tuple(each.name for each in positional)
        self._names = frozenset(each.name for each in parameters)
        self._required = frozenset(
            each.name for each in parameters if each.default is inspect.Parameter.empty
        )

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return values by parameter name, without defaults.

        Raises:
            TypeError: The arguments do not fit, with Python's own words.
        """
        if self.is_simple and len(args) <= len(self._positional):
            bound = dict(zip(self._positional, args, strict=False))
            if not bound.keys() & kwargs.keys():
                bound.update(kwargs)
                if bound.keys() <= self._names and self._required <= bound.keys():
                    return bound
        try:
            return dict(self.signature.bind(*args, **kwargs).arguments)
        except TypeError as error:
            raise TypeError(f"{self._function.__qualname__}() {error}") from None

    def call_with(self, arguments: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return positional and keyword arguments with which to call the function."""
        if self.is_simple:
            return (), dict(arguments)
        bound = inspect.BoundArguments(self.signature, dict(arguments))
        return bound.args, bound.kwargs


ParallelItem = tuple[Any, ...] | Mapping[str, Any] | Arguments
