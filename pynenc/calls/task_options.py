"""The options of tasks and of single calls, as type checkers and editors know them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypedDict, TypeVar, get_type_hints

from pynenc.calls.task_traits import Upgrade
from pynenc.conf.base_config import unknown_setting
from pynenc.conf.config_task import ConcurrencyControlType, ConfigTask
from pynenc.exceptions import TaskDefinitionError
from pynenc.trigger.trigger_builder import TriggerBuilder
from pynenc.types import AggregateFunc, ParallelFunc

F = TypeVar("F", bound=Callable[..., Any])

Concurrency = ConcurrencyControlType | Literal["disabled", "task", "arguments", "keys"]
Triggers = TriggerBuilder | Sequence[TriggerBuilder]


class CommonTaskOptions(TypedDict, total=False):
    """The options of every decorator: the fields of `ConfigTask`, and the names of the task.

    None leaves an option as it is.

    Attributes:
        name: The name under which calls are stored, such as `billing.charge`, in place of module and
            function; with it the function may move.
        aliases: Further names under which calls are stored that the task runs, too: those it had.
        upgrade: Gets the arguments of a stored call by name, if that call was stored under another
            name or does not fit the parameters, and returns those to run with.
    """

    name: str | None
    aliases: Sequence[str] | None
    upgrade: Upgrade | None

    parallel_batch_size: int | None
    retry_for: tuple[type[BaseException], ...] | None
    max_retries: int | None
    retry_delay: float | None
    retry_backoff: float | None
    retry_jitter: float | None
    retry_max_delay: float | None
    retry_delays: Mapping[type[BaseException], float] | None
    retry_within: float | None
    give_up: Callable[[BaseException], bool] | None
    queue: str | None
    priority: float | None
    timeout: float | None
    timeout_grace: float | None
    running_concurrency: Concurrency | None
    registration_concurrency: Concurrency | None
    key_arguments: Sequence[str] | None
    on_diff_non_key_args_raise: bool | None
    call_result_cache: bool | None
    disable_cache_args: Sequence[str] | None
    force_new_workflow: bool | None
    reroute_on_concurrency_control: bool | None
    throttle: float | None
    debounce: float | None
    pin_version: bool | None
    cancel_children: bool | None
    tags: Mapping[str, str] | None


class TaskOptions(CommonTaskOptions, total=False):
    """The options of `@app.task` and `@app.workflow`."""

    triggers: Triggers | None


class DirectTaskOptions(CommonTaskOptions, total=False):
    """The options of `@app.direct_task`."""

    parallel_func: ParallelFunc | None
    aggregate_func: AggregateFunc | None


def shows_options(options: type[Any]) -> Callable[[F], F]:
    """Make `inspect.signature` of a method show the keys of a `TypedDict` in place of `**options`."""

    def decorate(method: F) -> F:
        plain = inspect.signature(method)
        named = [each for each in plain.parameters.values() if each.kind != each.VAR_KEYWORD]
        keyword, hints = inspect.Parameter.KEYWORD_ONLY, get_type_hints(options)
        named += [
            inspect.Parameter(name, keyword, default=None, annotation=hint) for name, hint in hints.items()
        ]
        method.__signature__ = plain.replace(parameters=named)  # type: ignore[attr-defined]
        return method

    return decorate


NAMING = ("name", "aliases", "upgrade")
"""The options of a decorator that make up a `TaskNaming`."""


def given_options(options: Mapping[str, Any], also: Sequence[str] = ()) -> dict[str, Any]:
    """Return the options that were given, without those that belong to the decorator itself.

    Args:
        options: The options; None means that one was not given.
        also: Names that are allowed besides those of `ConfigTask`.

    Raises:
        TaskDefinitionError: An option does not exist; names it and the nearest one.
    """
    known = (*ConfigTask.field_names(), *also)
    for name in options:
        if name not in known:
            raise TaskDefinitionError(unknown_setting(name, known, "the decorator of a task"))
    return {name: value for name, value in options.items() if value is not None and name not in also}
