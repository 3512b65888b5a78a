"""Tasks: functions that runners execute."""

from __future__ import annotations

import importlib
import inspect
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Unpack, cast

from pynenc.calls.arguments import ArgumentBinder, ParallelItem
from pynenc.calls.call_options import CallOptions, CallOptionValues
from pynenc.calls.definitions import check_function
from pynenc.calls.interfaces import (
    App,
    BaseInvocation,
    BaseTask,
    InvocationGroup,
    Submittable,
    current_invocation,
)
from pynenc.calls.json_arguments import read_json_arguments
from pynenc.calls.task_options import shows_options
from pynenc.calls.task_traits import NOT_RENAMED, TaskNaming
from pynenc.client.inline_invocation import ConcurrentInvocation
from pynenc.client.named_calls import submit_named
from pynenc.client.streaming import submit_stream
from pynenc.client.submitting import submit_calls
from pynenc.client.workflow_runtime import workflow_of
from pynenc.conf.config_task import ConcurrencyControlType, ConfigTask
from pynenc.exceptions import NotRunningHereError, TaskDefinitionError
from pynenc.identifiers.task_id import TaskId
from pynenc.invocation.arguments import Arguments
from pynenc.types import Func, Params, Result
from pynenc.workflow.context import WorkflowContext


class Task(BaseTask[Params, Result]):
    """A function of an app that runners can execute.

    Calling it binds the arguments, hands the call to the app's components and returns an
    invocation at once.

    Attributes:
        app: The app.
        func: The function.
        task_id: Module and name of the function, or the name that was given.
        conf: The effective options.
    """

    def __init__(
        self,
        app: App,
        func: Func[Params, Result],
        options: Mapping[str, Any],
        naming: TaskNaming = NOT_RENAMED,
    ) -> None:
        self.app = app
        self.func = func
        self.naming = naming
        self.queries: dict[str, Callable[..., Any]] = {}
        check_function(func, lambda: app.runs_here)
        own_id = TaskId(func.__module__, func.__name__)
        self.task_id = own_id if naming.name is None else TaskId.from_key(naming.name)
        self.key = self.task_id.key
        self.binder = ArgumentBinder(func)
        self.conf: ConfigTask = app.settings_loader.load_task(self.task_id, options)
        unknown = [name for name in self.conf.key_arguments if name not in self.binder.signature.parameters]
        if unknown:
            raise TaskDefinitionError(
                f"task '{self.task_id}' names key_arguments {unknown} that its function does not have; "
                f"it has: {', '.join(self.binder.signature.parameters) or 'none'}"
            )
        keys = ConcurrencyControlType.KEYS
        if keys in (self.conf.running_concurrency, self.conf.registration_concurrency) and not (
            self.conf.key_arguments
        ):
            raise TaskDefinitionError(
                f"task '{self.task_id}' controls concurrency by KEYS, but names no key_arguments"
            )
        disabled = ConcurrencyControlType.DISABLED
        ways = {
            "registration_concurrency": self.conf.registration_concurrency != disabled,
            "throttle": self.conf.throttle is not None,
            "debounce": self.conf.debounce is not None,
        }
        if sum(ways.values()) > 1:
            given = " and ".join(f"'{name}'" for name, is_given in ways.items() if is_given)
            raise TaskDefinitionError(f"task '{self.task_id}' has {given}; only one of them can be in force")
        self.has_keys = (
            any(ways.values()) or self.conf.call_result_cache or self.conf.running_concurrency != disabled
        )
        self.call_options = CallOptions.of(self.conf)
        self.__doc__ = func.__doc__
        self.__name__ = func.__name__
        self.__wrapped__ = func

    # --- calling -----------------------------------------------------------------------

    def args(self, *args: Params.args, **kwargs: Params.kwargs) -> Arguments:
        """Bind arguments without calling.

        Raises:
            TypeError: They do not fit the function.
        """
        return Arguments(self.binder.bind(args, kwargs))

    def args_from_json(self, text: str) -> Arguments:
        """Read arguments that are plain JSON, such as those of another language or a web request.

        The annotations of the parameters say what is meant: a string becomes a date or a path, an
        object becomes a dataclass or a pydantic model.

        Args:
            text: A JSON object with the arguments by name, or an array with those given by position.

        Raises:
            SerializationError: The text is not JSON, or a value does not fit its annotation.
            TypeError: The arguments do not fit the function.
        """
        return Arguments(read_json_arguments(self.func, self.binder, text))

    def call_with(self, arguments: Arguments) -> BaseInvocation[Params, Result]:
        """Make an invocation with arguments that `args` or `args_from_json` returned."""
        args, kwargs = self.binder.call_with(arguments.kwargs)
        return self(*args, **kwargs)

    def __call__(self, *args: Params.args, **kwargs: Params.kwargs) -> BaseInvocation[Params, Result]:
        """Make an invocation.

        Raises:
            TypeError: The arguments do not fit the function.
            SerializationError: An argument cannot be serialized; nothing was stored.
        """
        if self.app.conf.dev_mode_force_sync_tasks:
            tags = self.call_options.tags
            return ConcurrentInvocation(self, self.binder.bind(args, kwargs), tags=tags)
        return submit_calls(self, [self.binder.bind(args, kwargs)], self.call_options)[0]

    @property
    def base_task(self) -> BaseTask[Params, Result]:
        return self

    @shows_options(CallOptionValues)
    def options(self, **options: Unpack[CallOptionValues]) -> TaskWithOptions[Params, Result]:
        """Return the task with other options, to be called in its place.

        Args:
            options: `delay` or `eta`, `queue`, `priority`, `timeout`, `idempotency_key` (with
                `idempotency_ttl`) or `invocation_id`; see `CallOptionValues`.

        Raises:
            TypeError: An option does not exist.
            ValueError: A value is not valid.

        Example:
            add.options(delay=60, priority=5)(1, 2)
        """
        return TaskWithOptions(self, CallOptions.given(self.conf, options))

    def parallelize(
        self,
        items: Iterable[ParallelItem] | None = None,
        common_args: Mapping[str, Any] | None = None,
        *,
        param_iter: Iterable[ParallelItem] | None = None,
    ) -> InvocationGroup[Params, Result]:
        """Make an invocation for each item.

        What an iterator gives, such as a generator, is submitted while it is read, in batches of
        `parallel_batch_size`, and not kept: the handles read their arguments when they are asked for them.

        Args:
            items: For each invocation a tuple of positional arguments, a dictionary of named
                ones, or what `args` returned.
            common_args: Arguments that all of them share; they are serialized once.
            param_iter: Another name for `items`.

        Returns:
            The group of the invocations, in the order of the items.

        Raises:
            TypeError: An item does not fit the function; nothing was submitted.
            PartlySubmittedError: Reading or submitting failed after some calls were accepted; the
                error holds their handles.
        """
        return self._parallelize(items, common_args, param_iter, self.call_options)

    def _parallelize(
        self,
        items: Iterable[ParallelItem] | None,
        common_args: Mapping[str, Any] | None,
        param_iter: Iterable[ParallelItem] | None,
        options: CallOptions,
    ) -> InvocationGroup[Params, Result]:
        given = param_iter if items is None else items
        if given is None or (items is not None and param_iter is not None):
            raise TypeError(f"{self.task_id}.parallelize takes 'items' or 'param_iter', one of them")
        common = dict(common_args or {})
        bound = (self._bind_item(item, common) for item in given)
        if self.app.conf.dev_mode_force_sync_tasks:
            calls = bound if isinstance(given, Iterator) else list(bound)
            made = [ConcurrentInvocation(self, call, options.headers, options.tags) for call in calls]
            return InvocationGroup(self, made)
        if isinstance(given, Iterator):
            return InvocationGroup(self, submit_stream(self, bound, options, common))
        return InvocationGroup(self, submit_calls(self, list(bound), options, common))

    def _bind_item(self, item: ParallelItem, common: Mapping[str, Any]) -> dict[str, Any]:
        if isinstance(item, tuple):
            return self.binder.bind(item, common)
        if isinstance(item, Arguments):
            return {**common, **item.kwargs}
        if isinstance(item, Mapping):
            return self.binder.bind((), {**common, **item})
        raise TypeError(
            f"{self.task_id}.parallelize takes tuples, dictionaries or Arguments, not "
            f"{type(item).__name__}; for one positional argument write (value,)"
        )

    # --- inside the body ---------------------------------------------------------------

    @property
    def logger(self) -> logging.Logger:
        """The logger of the app; its records name the runner and the invocation."""
        return self.app.logger

    @property
    def invocation(self) -> BaseInvocation[Params, Result]:
        """The invocation whose body is running.

        Raises:
            NotRunningHereError: The body of this task is not running here.
        """
        invocation = current_invocation.get()
        if invocation is None or invocation.task is not self:
            raise NotRunningHereError(
                f"task '{self.task_id}' is not running here: 'invocation' is there only inside its body"
            )
        return cast("BaseInvocation[Params, Result]", invocation)

    @property
    def wf(self) -> WorkflowContext:
        """The workflow that the running invocation belongs to, and its recorded operations."""
        return workflow_of(self.invocation)

    @property
    def is_async(self) -> bool:
        """True if the function is an `async def`."""
        return inspect.iscoroutinefunction(self.func)

    def __repr__(self) -> str:
        return f"<Task {self.task_id}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.app, self.task_id, self.func.__module__)


class TaskWithOptions(Submittable[Params, Result]):
    """A task that is called with other options than its own."""

    def __init__(self, task: Task[Params, Result], options: CallOptions) -> None:
        self.task = task
        self.call_options = options

    @property
    def base_task(self) -> BaseTask[Params, Result]:
        return self.task

    def __call__(self, *args: Params.args, **kwargs: Params.kwargs) -> BaseInvocation[Params, Result]:
        """Make an invocation, like calling the task."""
        arguments = self.task.binder.bind(args, kwargs)
        if self.task.app.conf.dev_mode_force_sync_tasks:
            options = self.call_options
            return ConcurrentInvocation(self.task, arguments, options.headers, options.tags)
        if self.call_options.is_named:
            return submit_named(self.task, arguments, self.call_options)
        return submit_calls(self.task, [arguments], self.call_options)[0]

    def parallelize(
        self,
        items: Iterable[ParallelItem] | None = None,
        common_args: Mapping[str, Any] | None = None,
        *,
        param_iter: Iterable[ParallelItem] | None = None,
    ) -> InvocationGroup[Params, Result]:
        """Make an invocation for each item, like `Task.parallelize`.

        Raises:
            ValueError: An idempotency key or an id was given, which is for one call.
        """
        if self.call_options.is_named:
            raise ValueError(
                "'idempotency_key', 'invocation_id' and 'workflow_id' are for one call, not for parallelize"
            )
        return self.task._parallelize(items, common_args, param_iter, self.call_options)


def _restore(app: App, task_id: TaskId, module: str | None = None) -> BaseTask[..., Any]:
    importlib.import_module(module or task_id.module)
    return app.find_task(task_id)
