"""Direct tasks: functions that look plain and run as tasks."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable, Mapping
from typing import Any, cast

from pynenc.calls.arguments import ParallelItem
from pynenc.calls.interfaces import InvocationGroup
from pynenc.task import Task
from pynenc.types import AggregateFunc, Func, ParallelFunc, Params, Result

_COMMON, _ITEMS = "common_args", "param_iter"


def make_direct_task(
    task: Task[Params, Result],
    parallel_func: ParallelFunc | None,
    aggregate_func: AggregateFunc | None,
) -> Func[Params, Result]:
    """Return a function with the signature of the task's that waits for the result.

    Args:
        task: The task.
        parallel_func: Makes the argument sets of a parallel call, or None for a single call.
        aggregate_func: Combines the results of a parallel call; without it they come as a list.
    """

    def start(args: tuple[Any, ...], kwargs: dict[str, Any]) -> InvocationGroup[Params, Result] | None:
        if parallel_func is None:
            return None
        arguments = task.binder.bind(args, kwargs)
        common, items = split_parallel(parallel_func(arguments))
        return task.parallelize(items, common)

    def combine(results: list[Any]) -> Any:
        return aggregate_func(results) if aggregate_func else results

    @functools.wraps(task.func)
    def call(*args: Params.args, **kwargs: Params.kwargs) -> Any:
        group = start(args, kwargs)
        if group is None:
            return task(*args, **kwargs).result
        return combine(list(group.results))

    @functools.wraps(task.func)
    async def call_async(*args: Params.args, **kwargs: Params.kwargs) -> Any:
        group = start(args, kwargs)
        if group is None:
            return await task(*args, **kwargs).async_result()
        return combine([result async for result in group.async_results()])

    direct: Any = call_async if inspect.iscoroutinefunction(task.func) else call
    direct.task = task
    return cast(Func[Params, Result], direct)


def split_parallel(made: Any) -> tuple[Mapping[str, Any] | None, Iterable[ParallelItem]]:
    """Return what a `parallel_func` returned, as common arguments and items.

    Raises:
        TypeError: It has none of the allowed shapes.
    """
    if isinstance(made, Mapping):
        if _ITEMS not in made or set(made) - {_COMMON, _ITEMS}:
            raise TypeError(
                f"parallel_func returned a dictionary with the keys {sorted(made)}; it needs "
                f"'{_ITEMS}' and may have '{_COMMON}'"
            )
        return made.get(_COMMON), made[_ITEMS]
    if isinstance(made, tuple) and len(made) == 2:
        common, items = made
        if isinstance(common, Mapping) and not isinstance(items, Mapping) and isinstance(items, Iterable):
            return common, items
    if not isinstance(made, Iterable):
        raise TypeError(f"parallel_func returned {type(made).__name__}, which cannot be iterated over")
    return None, made
