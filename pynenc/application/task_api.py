"""The task side of the app: decorators, look-ups and registration."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar, Unpack, cast, overload

from pynenc.application.direct_task import make_direct_task
from pynenc.application.schedules import Schedules
from pynenc.application.task_registry import TaskRegistry, Triggers
from pynenc.calls.task_options import (
    NAMING,
    DirectTaskOptions,
    TaskOptions,
    given_options,
    shows_options,
)
from pynenc.calls.task_traits import TaskNaming
from pynenc.core_tasks import CoreTaskDefinition
from pynenc.exceptions import TaskDefinitionError, TaskNotFoundError
from pynenc.identifiers.task_id import TaskId
from pynenc.task import Task
from pynenc.trigger.definition import StoredTrigger, TriggerDefinition
from pynenc.types import Func, Params, Result

F = TypeVar("F", bound=Callable[..., Any])


class TaskDecorator(Protocol):
    """A decorator with options, as `app.task(...)` and `app.workflow(...)` return it."""

    @overload
    def __call__(self, func: Callable[Params, Coroutine[Any, Any, Result]], /) -> Task[Params, Result]: ...

    @overload
    def __call__(self, func: Func[Params, Result], /) -> Task[Params, Result]: ...


class DirectTaskDecorator(Protocol):
    """A decorator with options, as `app.direct_task(...)` returns it."""

    def __call__(self, func: F, /) -> F: ...


class TaskApi:
    """The decorators and look-ups of an app, on top of its registry of tasks.

    Attributes:
        task_registry: The registry of tasks.
    """

    task_registry: TaskRegistry

    @overload
    def task(
        self, func: Callable[Params, Coroutine[Any, Any, Result]], **options: Unpack[TaskOptions]
    ) -> Task[Params, Result]: ...

    @overload
    def task(self, func: Func[Params, Result], **options: Unpack[TaskOptions]) -> Task[Params, Result]: ...

    @overload
    def task(self, func: None = None, **options: Unpack[TaskOptions]) -> TaskDecorator: ...

    @shows_options(TaskOptions)
    def task(self, func: Func[..., Any] | None = None, **options: Unpack[TaskOptions]) -> Any:
        """Make a task of a function, with or without options.

        Args:
            func: The function, at the top level of a module that workers can import.
            options: Any field of `ConfigTask`, and `triggers`, which say when the task starts by
                itself; see `TaskOptions`.

        Returns:
            The task, or a decorator that makes it.

        Raises:
            TaskDefinitionError: The function cannot be a task, or an option does not exist.
            ConfigError: An option has a wrong value.

        Example:
            @app.task(max_retries=3)
            def add(x: int, y: int) -> int:
                return x + y
        """
        given, triggers = given_options(cast(Any, options), ("triggers", *NAMING)), options.get("triggers")
        naming = TaskNaming.given(options)

        def decorate(function: Func[..., Any]) -> Task[..., Any]:
            task = self.task_registry.add(function, given, naming)
            if triggers is not None:
                self.task_registry.defer_triggers(task, triggers)
            return task

        return decorate if func is None else decorate(func)

    @overload
    def workflow(
        self, func: Callable[Params, Coroutine[Any, Any, Result]], **options: Unpack[TaskOptions]
    ) -> Task[Params, Result]: ...

    @overload
    def workflow(
        self, func: Func[Params, Result], **options: Unpack[TaskOptions]
    ) -> Task[Params, Result]: ...

    @overload
    def workflow(self, func: None = None, **options: Unpack[TaskOptions]) -> TaskDecorator: ...

    @shows_options(TaskOptions)
    def workflow(self, func: Func[..., Any] | None = None, **options: Unpack[TaskOptions]) -> Any:
        """Make a task whose every invocation starts a workflow: `task` with `force_new_workflow=True`.

        Args:
            func: The function.
            options: Those of `task`.

        Example:
            @app.workflow
            def order(order_id: str) -> str:
                payment = order.wf.execute_task(pay, order_id)
                order.wf.sleep(timedelta(days=1))
                return payment.result
        """
        if options.setdefault("force_new_workflow", True) is not True:
            raise TaskDefinitionError("a workflow has force_new_workflow=True; for other values use 'task'")
        return self.task(**options) if func is None else self.task(func, **options)

    @overload
    def direct_task(
        self, func: Func[Params, Result], **options: Unpack[DirectTaskOptions]
    ) -> Func[Params, Result]: ...

    @overload
    def direct_task(self, func: None = None, **options: Unpack[DirectTaskOptions]) -> DirectTaskDecorator: ...

    @shows_options(DirectTaskOptions)
    def direct_task(self, func: Func[..., Any] | None = None, **options: Unpack[DirectTaskOptions]) -> Any:
        """Make a task of a function that is called and returns as before.

        A plain function waits for the result; an `async def` returns an awaitable. The task itself
        is reached as `function.task`.

        Args:
            func: The function.
            options: Any field of `ConfigTask`, and two more. `parallel_func` gets the arguments of
                the call as a dictionary and returns the argument sets of a parallel run: an
                iterable of tuples, dictionaries or `Arguments`; or a dictionary with `common_args`,
                serialized once for all, and `param_iter`; or the tuple of these two.
                `aggregate_func` makes one result of the list of results; without it the list is
                returned.

        Raises:
            TaskDefinitionError: The function cannot be a task, or an option does not exist.
            ConfigError: An option has a wrong value.
        """
        given = given_options(cast(Any, options), ("parallel_func", "aggregate_func", *NAMING))
        naming = TaskNaming.given(options)
        parallel_func, aggregate_func = options.get("parallel_func"), options.get("aggregate_func")
        for name, value in (("parallel_func", parallel_func), ("aggregate_func", aggregate_func)):
            if value is not None and not callable(value):
                raise TaskDefinitionError(f"{name}={value!r} of a direct task is not a function")

        def decorate(function: Func[..., Any]) -> Func[..., Any]:
            return make_direct_task(
                self.task_registry.add(function, given, naming), parallel_func, aggregate_func
            )

        return decorate if func is None else decorate(func)

    # --- looking up and registering ------------------------------------------------------

    @property
    def tasks(self) -> dict[TaskId, Task[..., Any]]:
        """The registered tasks by their ids."""
        return self.task_registry.tasks

    def get_task(self, task_id: TaskId) -> Task[..., Any] | None:
        """Return the task with this id, after importing its module if need be; None if there is none."""
        try:
            return self.task_registry.find_task(task_id)
        except TaskNotFoundError:
            return None

    def find_task(self, task_id: TaskId | str) -> Task[..., Any]:
        """Return a task like `get_task`; an unknown one is an error.

        Raises:
            TaskNotFoundError: Names the task and the modules with tasks that are known.
        """
        return self.task_registry.find_task(task_id)

    @property
    def schedules(self) -> Schedules:
        """The schedules that are made at run time, by code or by the command line."""
        return Schedules(self.task_registry.trigger_store, self.find_task)

    def import_task_modules(self) -> None:
        """Import the modules that the setting `task_modules` names.

        Raises:
            ConfigError: One of them cannot be imported, or a pattern fits none.
        """
        self.task_registry.import_task_modules()

    def modules_left_out(self) -> list[str]:
        """Return the modules beside that of the app that define tasks of it and are not imported."""
        return self.task_registry.modules_left_out()

    def register_core_tasks(self) -> None:
        """Register every task of the core."""
        self.task_registry.register_core_tasks()

    def register_core_task(self, task_def: CoreTaskDefinition) -> None:
        """Register one task of the core; doing it again changes nothing."""
        self.task_registry.register_core_task(task_def)

    def _store_deferred_trigger(self, task: Task[..., Any], triggers: Triggers | None) -> None:
        """Keep triggers until a runner registers them."""
        self.task_registry.defer_triggers(task, triggers)

    def register_deferred_triggers(self) -> None:
        """Store the triggers of all tasks; runners do it when they start."""
        self.task_registry.register_deferred_triggers()

    def live_trigger(self, stored: StoredTrigger) -> TriggerDefinition | None:
        """Return what the code of this process says of a stored trigger; None if it does not have it."""
        return self.task_registry.live_trigger(stored)
