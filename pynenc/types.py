"""Type variables and aliases shared by every floor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, TypeAlias, TypeVar

Params = ParamSpec("Params")
Result = TypeVar("Result")

Func: TypeAlias = Callable[Params, Result]
"""A plain function, as a user writes it."""

ArgumentValues: TypeAlias = dict[str, Any]
"""Bound arguments of one call: parameter name to value."""

ParallelFunc: TypeAlias = Callable[[ArgumentValues], Iterable[Any] | Mapping[str, Any]]
"""Makes the argument sets of a parallel call out of the arguments of the direct call."""

AggregateFunc: TypeAlias = Callable[[list[Any]], Any]
"""Combines the results of a parallel call into one."""
