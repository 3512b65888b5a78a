"""The tasks of an app: decorators, lookup and deferred triggers."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast, overload

from pynenc.application.direct_task import make_direct_task
from pynenc.calls.task_options import given_options
from pynenc.conf.config_task import ConcurrencyControlType
from pynenc.core_tasks import CoreTaskDefinition, core_tasks_registry
from pynenc.exceptions import ConfigError, TaskDefinitionError, TaskNotFoundError
from pynenc.identifiers.task_id import TaskId
from pynenc.task import Task
from pynenc.trigger.definition import StoredTrigger, TriggerDefinition
from pynenc.trigger.trigger_builder import TriggerBuilder
from pynenc.types import AggregateFunc, Func, ParallelFunc, Params, Result

if TYPE_CHECKING:
    from pynenc.application.components import ComponentProvider
    from pynenc.conf.config_pynenc import ConfigPynenc
    from pynenc.trigger.base_trigger import BaseTrigger

Triggers = TriggerBuilder | list[TriggerBuilder] | None
Exceptions = tuple[type[Exception], ...]


class TaskRegistry:
    """The part of the app that holds its tasks."""

    if TYPE_CHECKING:

        @property
        def app_id(self) -> str: ...
        @property
        def conf(self) -> ConfigPynenc: ...
        @property
        def trigger(self) -> BaseTrigger: ...
        @property
        def component_provider(self) -> ComponentProvider: ...

    def _set_up_tasks(self) -> None:
        self._tasks: dict[TaskId, Task[..., Any]] = {}
        self._deferred_triggers: dict[TaskId, list[TriggerDefinition]] = {}

    @property
    def tasks(self) -> dict[TaskId, Task[..., Any]]:
        """The registered tasks by their ids."""
        return self._tasks

    def get_task(self, task_id: TaskId) -> Task[..., Any] | None:
        """The task with this id, after importing its module if need be; None if there is none."""
        try:
            return self.find_task(task_id)
        except TaskNotFoundError:
            return None

    def find_task(self, task_id: TaskId) -> Task[..., Any]:
        """Like `get_task`, but an unknown task is an error.

        Raises:
            TaskNotFoundError: Names the task and the modules with tasks that are known.
        """
        found = self._tasks.get(task_id)
        if found is not None:
            return found
        reason: str | None = None
        try:
            importlib.import_module(task_id.module)
        except Exception as error:  # noqa: BLE001 - whatever its import raises, the task is not there
            reason = f"importing '{task_id.module}' failed: {type(error).__name__}: {error}"
        found = self._tasks.get(task_id)
        if found is None:
            raise TaskNotFoundError(task_id.key, [known.key for known in self._tasks], reason)
        return found

    def grace_of(self, task_key: str) -> float:
        """How long a run of a task may go on after it was asked to end, in seconds."""
        task = self._tasks.get(TaskId.from_key(task_key))
        return task.conf.timeout_grace if task else 0.0

    def _add(self, func: Func[Params, Result], options: dict[str, Any]) -> Task[Params, Result]:
        task: Task[Params, Result] = Task(cast(Any, self), func, options)
        self._tasks[task.task_id] = cast("Task[..., Any]", task)
        return task

    def import_task_modules(self) -> None:
        """Import the modules that the setting `trigger_task_modules` names.

        Raises:
            ConfigError: One of them cannot be imported.
        """
        for module in self.conf.trigger_task_modules:
            try:
                importlib.import_module(module)
            except ImportError as error:
                raise ConfigError(
                    f"setting 'trigger_task_modules' names '{module}', which cannot be imported: {error}"
                ) from error

    # --- core tasks --------------------------------------------------------------------

    def register_core_tasks(self) -> None:
        """Register every task of the core."""
        for definition in core_tasks_registry:
            self.register_core_task(definition)

    def register_core_task(self, task_def: CoreTaskDefinition) -> None:
        """Register one task of the core; doing it again changes nothing."""
        task_id = TaskId(task_def.func.__module__, task_def.func.__name__)
        if task_id not in self._tasks:
            self._add(task_def.func, dict(task_def.options))

    # --- triggers ----------------------------------------------------------------------

    def _store_deferred_trigger(
        self, task: Task[..., Any], triggers: TriggerBuilder | list[TriggerBuilder]
    ) -> None:
        """Keep triggers until a runner registers them.

        Raises:
            TaskDefinitionError: Something is no trigger, or has no condition.
        """
        builders = list(triggers) if isinstance(triggers, (list, tuple)) else [triggers]
        for builder in builders:
            if not isinstance(builder, TriggerBuilder):
                raise TaskDefinitionError(
                    f"task '{task.task_id}' names {builder!r} as a trigger; it needs what on_cron(...), "
                    f"on_event(...) or TriggerBuilder() give"
                )
        definitions = [builder.build(task.task_id) for builder in builders]
        for definition in definitions:
            definition.stored()
        self._deferred_triggers[task.task_id] = definitions

    def register_deferred_triggers(self) -> None:
        """Store the triggers of all tasks; runners do it when they start."""
        modules = {task_id.module for task_id in self._tasks}
        present = [
            stored
            for stored in self.trigger.find_definitions()
            if TaskId.from_key(stored.task_id).module in modules
        ]
        wanted = [each for definitions in self._deferred_triggers.values() for each in definitions]
        self.trigger.replace(present, wanted)
        self.component_provider.catalog.expire()

    def live_trigger(self, stored: StoredTrigger) -> TriggerDefinition | None:
        """What the code of this process says of a stored trigger; None if it does not have it."""
        task_id = TaskId.from_key(stored.task_id)
        with contextlib.suppress(TaskNotFoundError):
            self.find_task(task_id)
        for definition in self._deferred_triggers.get(task_id, ()):
            if definition.stored().trigger_id == stored.trigger_id:
                return definition
        return None

    # --- decorators --------------------------------------------------------------------

    @overload
    def task(self, func: Func[Params, Result], /) -> Task[Params, Result]: ...

    @overload
    def task(
        self,
        func: None = None,
        *,
        parallel_batch_size: int | None = None,
        retry_for: Exceptions | None = None,
        max_retries: int | None = None,
        running_concurrency: ConcurrencyControlType | None = None,
        registration_concurrency: ConcurrencyControlType | None = None,
        key_arguments: tuple[str, ...] | None = None,
        on_diff_non_key_args_raise: bool | None = None,
        call_result_cache: bool | None = None,
        disable_cache_args: tuple[str, ...] | None = None,
        triggers: Triggers = None,
        force_new_workflow: bool | None = None,
        reroute_on_concurrency_control: bool | None = None,
        **more: Any,
    ) -> Callable[[Func[Params, Result]], Task[Params, Result]]: ...

    def task(
        self,
        func: Func[Params, Result] | None = None,
        *,
        parallel_batch_size: int | None = None,
        retry_for: Exceptions | None = None,
        max_retries: int | None = None,
        running_concurrency: ConcurrencyControlType | None = None,
        registration_concurrency: ConcurrencyControlType | None = None,
        key_arguments: tuple[str, ...] | None = None,
        on_diff_non_key_args_raise: bool | None = None,
        call_result_cache: bool | None = None,
        disable_cache_args: tuple[str, ...] | None = None,
        triggers: Triggers = None,
        force_new_workflow: bool | None = None,
        reroute_on_concurrency_control: bool | None = None,
        **more: Any,
    ) -> Task[Params, Result] | Callable[[Func[Params, Result]], Task[Params, Result]]:
        """Make a task of a function, with or without options.

        Args:
            func: The function, at the top level of a module that workers can import.
            parallel_batch_size: How many invocations `parallelize` submits in one go; 0 for all.
            retry_for: Exceptions after which the task runs again.
            max_retries: How often it runs again at most.
            running_concurrency: Which invocations may not run at the same time.
            registration_concurrency: For which waiting invocations an equal call returns the
                existing one.
            key_arguments: Arguments that make the key for `KEYS`.
            on_diff_non_key_args_raise: Refuse a call whose key waits with other arguments.
            call_result_cache: Return the latest result for equal arguments without a run.
            disable_cache_args: Arguments kept out of the client data store; `"*"` for all.
            triggers: When the task starts by itself.
            force_new_workflow: Every invocation starts a workflow of its own.
            reroute_on_concurrency_control: A blocked invocation waits instead of ending.
            more: Any other option of `ConfigTask`: `retry_delay`, `queue`, `priority`, `timeout` ...

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
        given = _without(locals(), "self", "func", "triggers", "more")
        options = given_options(given, more, ("triggers",))

        def decorate(function: Func[Params, Result]) -> Task[Params, Result]:
            task = self._add(function, options)
            if triggers is not None:
                self._store_deferred_trigger(cast("Task[..., Any]", task), triggers)
            return task

        return decorate if func is None else decorate(func)

    @overload
    def workflow(self, func: Func[Params, Result], /) -> Task[Params, Result]: ...

    @overload
    def workflow(
        self, func: None = None, **options: Any
    ) -> Callable[[Func[Params, Result]], Task[Params, Result]]: ...

    def workflow(
        self, func: Func[Params, Result] | None = None, **options: Any
    ) -> Task[Params, Result] | Callable[[Func[Params, Result]], Task[Params, Result]]:
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
        decorate: Callable[[Func[Params, Result]], Task[Params, Result]] = self.task(**options)
        return decorate if func is None else decorate(func)

    @overload
    def direct_task(self, func: Func[Params, Result], /) -> Func[Params, Result]: ...

    @overload
    def direct_task(
        self,
        func: None = None,
        *,
        parallel_func: ParallelFunc | None = None,
        aggregate_func: AggregateFunc | None = None,
        parallel_batch_size: int | None = None,
        retry_for: Exceptions | None = None,
        max_retries: int | None = None,
        running_concurrency: ConcurrencyControlType | None = None,
        registration_concurrency: ConcurrencyControlType | None = None,
        key_arguments: tuple[str, ...] | None = None,
        on_diff_non_key_args_raise: bool | None = None,
        call_result_cache: bool | None = None,
        disable_cache_args: tuple[str, ...] | None = None,
        force_new_workflow: bool | None = None,
        reroute_on_concurrency_control: bool | None = None,
        **more: Any,
    ) -> Callable[[Func[Params, Result]], Func[Params, Result]]: ...

    def direct_task(
        self,
        func: Func[Params, Result] | None = None,
        *,
        parallel_func: ParallelFunc | None = None,
        aggregate_func: AggregateFunc | None = None,
        parallel_batch_size: int | None = None,
        retry_for: Exceptions | None = None,
        max_retries: int | None = None,
        running_concurrency: ConcurrencyControlType | None = None,
        registration_concurrency: ConcurrencyControlType | None = None,
        key_arguments: tuple[str, ...] | None = None,
        on_diff_non_key_args_raise: bool | None = None,
        call_result_cache: bool | None = None,
        disable_cache_args: tuple[str, ...] | None = None,
        force_new_workflow: bool | None = None,
        reroute_on_concurrency_control: bool | None = None,
        **more: Any,
    ) -> Func[Params, Result] | Callable[[Func[Params, Result]], Func[Params, Result]]:
        """Make a task of a function that is called like before and returns what it did before.

        A plain function waits for the result; an `async def` gives an awaitable. The task itself
        is reached as `function.task`. The other options are those of `task`.

        Args:
            func: The function.
            parallel_func: Gets the arguments of the call as a dictionary and returns the
                argument sets of a parallel run: an iterable of tuples, dictionaries or
                `Arguments`; or a dictionary with `common_args`, serialized once for all, and
                `param_iter`; or the tuple of these two.
            aggregate_func: Makes one result of the list of results; without it the list.
            parallel_batch_size: See `task`.
            retry_for: See `task`.
            max_retries: See `task`.
            running_concurrency: See `task`.
            registration_concurrency: See `task`.
            key_arguments: See `task`.
            on_diff_non_key_args_raise: See `task`.
            call_result_cache: See `task`.
            disable_cache_args: See `task`.
            force_new_workflow: See `task`.
            reroute_on_concurrency_control: See `task`.
            more: See `task`.
        """
        given = _without(locals(), "self", "func", "parallel_func", "aggregate_func", "more")
        options = given_options(given, more, ("parallel_func", "aggregate_func"))

        def decorate(function: Func[Params, Result]) -> Func[Params, Result]:
            return make_direct_task(self._add(function, options), parallel_func, aggregate_func)

        return decorate if func is None else decorate(func)


def _without(names: dict[str, Any], *left_out: str) -> dict[str, Any]:
    return {name: value for name, value in names.items() if name not in left_out}
