"""Settings of tasks: the options of the decorator."""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter

from pynenc.conf.base_config import PynencConfig
from pynenc.conf.queues import DEFAULT_QUEUE
from pynenc.conf.tags import tags_of
from pynenc.exceptions import RetryError
from pynenc.identifiers.texts import is_storable


class ConcurrencyControlType(StrEnum):
    """The scopes of concurrency control: which invocations count as the same."""

    DISABLED = "disabled"
    TASK = "task"
    ARGUMENTS = "arguments"
    KEYS = "keys"


def lower_case(value: Any) -> Any:
    """Accept the names of an enumeration in any case."""
    return value.lower() if isinstance(value, str) else value


def names_from_text(value: Any) -> Any:
    """Accept a list as JSON or as names with commas, as the environment gives it."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return tuple(json.loads(value))
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _exception_class(value: Any) -> Any:
    if not isinstance(value, str):
        found = value
    else:
        module, _, name = value.rpartition(".")
        try:
            found = getattr(importlib.import_module(module or "builtins"), name)
        except (ImportError, AttributeError) as error:
            raise ValueError(
                f"'{value}' is not an exception class that can be imported ({error}); "
                f"write it as 'module.ClassName'"
            ) from None
    if not (isinstance(found, type) and issubclass(found, BaseException)):
        raise ValueError(f"{found!r} is not an exception class")
    return found


def _exception_classes(value: Any) -> Any:
    given = names_from_text(value)
    if isinstance(given, type):
        given = (given,)
    return tuple(_exception_class(item) for item in given)


def _plain_number(value: Any) -> Any:
    """Refuse True and False, which Python counts among the numbers, and what is not finite."""
    if isinstance(value, bool):
        raise ValueError("it is True or False, not a number")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("it is not a finite number")
    return value


def _clean_name(value: str) -> str:
    if "\0" in value:
        raise ValueError("it contains a NUL character")
    if not is_storable(value):
        raise ValueError("it contains a lone surrogate, which cannot be stored")
    return value


QueueName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_clean_name)]
Priority = Annotated[float, BeforeValidator(_plain_number), Field(ge=-(2**53), le=2**53, allow_inf_nan=False)]
Timeout = Annotated[float, BeforeValidator(_plain_number), Field(gt=0, allow_inf_nan=False)]

LONGEST_DELAY_S = 100 * 365.25 * 86400
"""The longest delay of a call, in seconds."""

Delay = Annotated[float, BeforeValidator(_plain_number), Field(ge=0, le=LONGEST_DELAY_S)]

OPTION_TYPES: dict[str, TypeAdapter[Any]] = {
    "queue": TypeAdapter(QueueName),
    "priority": TypeAdapter(Priority),
    "timeout": TypeAdapter(Timeout),
    "delay": TypeAdapter(Delay),
}
"""The types of what a single call may say; most are settings of the task as well."""

Tags = Annotated[dict[str, str], BeforeValidator(tags_of)]
Names = Annotated[tuple[str, ...], BeforeValidator(names_from_text)]
ExceptionClasses = Annotated[tuple[type[BaseException], ...], BeforeValidator(_exception_classes)]
ConcurrencyControl = Annotated[ConcurrencyControlType, BeforeValidator(lower_case)]


def _retry_delays(value: Any) -> Any:
    """Accept a mapping of exception classes, or of their paths, to seconds."""
    given = json.loads(value) if isinstance(value, str) else value
    if not isinstance(given, Mapping):
        raise ValueError("it is not a mapping of exceptions to seconds, such as {ConnectionError: 5}")
    return {_exception_class(cls): pause for cls, pause in given.items()}


def _function(value: Any) -> Any:
    """Accept a function, or its path."""
    if isinstance(value, str):
        module, _, name = value.replace(":", ".").rpartition(".")
        try:
            value = getattr(importlib.import_module(module or "builtins"), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise ValueError(
                f"it is not a function that can be imported ({error}); write it as 'module.function'"
            ) from None
    if not callable(value):
        raise ValueError(f"{value!r} cannot be called")
    return value


RetryDelays = Annotated[dict[type[BaseException], Delay], BeforeValidator(_retry_delays)]
Predicate = Annotated[Callable[[BaseException], bool], BeforeValidator(_function)]


class ConfigTask(PynencConfig):
    """Options of a task: from the decorator, a settings file or the environment.

    For one task alone, name it: `PYNENC__CONFIGTASK__MODULE#FUNCTION__MAX_RETRIES=5` in the
    environment, the section `task."module.function"` in a file.
    """

    section: ClassVar[str | None] = "task"

    parallel_batch_size: int = Field(
        100, ge=0, description="How many invocations `parallelize` submits in one go; 0 for all at once."
    )
    retry_for: ExceptionClasses = Field(
        (RetryError,), description="Exceptions after which the task runs again."
    )
    max_retries: int = Field(0, ge=0, description="How often it runs again at most.")
    retry_delay: float = Field(0.0, ge=0, description="Pause before the first further run, in seconds.")
    retry_backoff: float = Field(
        1.0, ge=1, description="Each further pause is this many times the one before."
    )
    retry_jitter: float = Field(
        0.0, ge=0, le=1, description="Part of each pause that is left to chance; 1 for all of it."
    )
    retry_max_delay: float | None = Field(None, gt=0, description="Longest pause, in seconds.")
    retry_delays: RetryDelays = Field(
        {},
        description="Exceptions after which the task runs again, each with a pause of its own in seconds.",
    )
    retry_within: Timeout | None = Field(
        None,
        description="No further run begins later than so many seconds after the call; unset for no bound.",
    )
    give_up: Predicate | None = Field(
        None,
        description="Function of the exception that says whether to give up although a further run is left.",
    )
    queue: QueueName = Field(DEFAULT_QUEUE, description="Queue that its invocations go to.")
    priority: Priority = Field(0, description="Higher goes first within a queue.")
    timeout: Timeout | None = Field(
        None, description="A run is asked to end after this many seconds; unset for no bound."
    )
    timeout_grace: float = Field(
        5.0, ge=0, description="Seconds from there until it is ended by force, where the runner can."
    )
    running_concurrency: ConcurrencyControl = Field(
        ConcurrencyControlType.DISABLED, description="Which invocations may not run at the same time."
    )
    registration_concurrency: ConcurrencyControl = Field(
        ConcurrencyControlType.DISABLED,
        description="For which waiting invocations an equal call returns the existing one.",
    )
    key_arguments: Names = Field((), description="Arguments that make the key for `KEYS`.")
    on_diff_non_key_args_raise: bool = Field(
        False, description="Refuse a call whose key waits already with other arguments."
    )
    call_result_cache: bool = Field(
        False, description="Return the latest successful result for equal arguments without a run."
    )
    disable_cache_args: Names = Field(
        (), description="Arguments kept out of the client data store; `*` for all."
    )
    force_new_workflow: bool = Field(False, description="Every invocation starts a workflow of its own.")
    reroute_on_concurrency_control: bool = Field(
        False, description="A blocked invocation waits for the slot instead of ending."
    )
    throttle: Timeout | None = Field(
        None,
        description="For how many seconds further calls return the first one's invocation, whatever became "
        "of that; for each combination of `key_arguments`, or for all calls.",
    )
    debounce: Timeout | None = Field(
        None,
        description="How many seconds an invocation waits for a later call, which takes its place; for each "
        "combination of `key_arguments`, or for all calls.",
    )
    pin_version: bool = Field(
        False,
        description="Whether a workflow only runs with the `code_version` with which it began; other runners "
        "leave it to those.",
    )
    cancel_children: bool | None = Field(
        None,
        description="Whether what an invocation has started is cancelled with it; unset: of a workflow only.",
    )
    tags: Tags = Field(
        {}, description="Names and values by which its invocations are found, such as `team=billing`."
    )
