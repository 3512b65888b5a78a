"""Arguments of calls, bound to the parameters of a function like Python does."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar

from pynenc.exceptions import PartlySubmittedError, accepted_ids
from pynenc.interruption import submission_cancelled
from pynenc.invocation.arguments import Arguments


class Accepted(Protocol):
    """A handle on what was accepted."""

    invocation_id: str


H = TypeVar("H", bound=Accepted)
BATCH = 500
"""How many items of an iterator are submitted together where the task does not say."""

_SIMPLE = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class ArgumentBinder:
    """Binds calls of one function.

    Attributes:
        is_simple: Whether the function can be called with keyword arguments only.
        defaults: The values of parameters that a call leaves out.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.signature = inspect.signature(function)
        parameters = self.signature.parameters.values()
        self.is_simple = all(parameter.kind in _SIMPLE for parameter in parameters)
        positional = [each for each in parameters if each.kind == inspect.Parameter.POSITIONAL_OR_KEYWORD]
        self._positional = tuple(each.name for each in positional)
        self._names = frozenset(each.name for each in parameters)
        self.defaults = {each.name: each.default for each in parameters if each.default is not each.empty}
        self._required = self._names - self.defaults.keys()

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

    def fits(self, arguments: Mapping[str, Any]) -> bool:
        """Return whether values by parameter name are those of a call of the function."""
        various = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        needed = {name for name in self._required if self.signature.parameters[name].kind not in various}
        return arguments.keys() <= self._names and needed <= arguments.keys()

    def call_with(self, arguments: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return positional and keyword arguments with which to call the function."""
        if self.is_simple:
            return (), dict(arguments)
        bound = inspect.BoundArguments(self.signature, dict(arguments))
        return bound.args, bound.kwargs


ParallelItem = tuple[Any, ...] | Mapping[str, Any] | Arguments


async def submit_read(
    items: AsyncIterable[ParallelItem], submit: Callable[[list[ParallelItem]], Awaitable[Iterable[H]]]
) -> list[H]:
    """Submit what an asynchronous iterator gives while it is read, in batches.

    Returns:
        What `submit` gave for the items, in order.

    Raises:
        PartlySubmittedError: Reading or submitting failed after some items were accepted.
        asyncio.CancelledError: The await was cancelled; `accepted_ids` says what was accepted.
    """
    handles: list[H] = []
    batch: list[ParallelItem] = []
    try:
        async for item in items:
            batch.append(item)
            if len(batch) == BATCH:
                handles += await submit(batch)
                batch = []
        if batch:
            handles += await submit(batch)
    except asyncio.CancelledError as error:
        accepted = [*(each.invocation_id for each in handles), *(accepted_ids(error) or ())]
        raise submission_cancelled(accepted) from error
    except PartlySubmittedError as error:
        raise PartlySubmittedError([*handles, *error.invocations]) from error.__cause__
    except Exception as error:
        if handles:
            raise PartlySubmittedError(handles) from error
        raise
    return handles
