"""The tasks of an app: registration, lookup and deferred triggers."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from pynenc.application.source_files import literal_head, matching_modules, modules_with_tasks
from pynenc.calls.definitions import is_defined_twice, place_of
from pynenc.calls.interfaces import App
from pynenc.calls.task_traits import NOT_RENAMED, TaskNaming
from pynenc.core_tasks import CoreTaskDefinition, core_tasks_registry
from pynenc.exceptions import ConfigError, TaskDefinitionError, TaskNotFoundError
from pynenc.identifiers.task_id import TaskId
from pynenc.identifiers.texts import error_text, type_name
from pynenc.interruption import is_key_press
from pynenc.task import Task
from pynenc.trigger.base_trigger import BaseTrigger
from pynenc.trigger.builder import TriggerBuilder
from pynenc.trigger.definition import StoredTrigger, TriggerDefinition
from pynenc.trigger.records import DEFINED_MARK, Mark
from pynenc.types import Func, Params, Result

_NOT_ALLOWED = (
    "module '{}' is not imported here, and a stored task id may only lead to modules in the package or "
    "folder of the app, or named by 'task_modules' or 'allowed_task_packages'"
)


def _are_neighbours(own: str, other: str) -> bool:
    """Return whether two top-level modules, the first of which is imported, lie in the same folder."""
    file = getattr(sys.modules.get(own), "__file__", None)
    try:
        spec = importlib.util.find_spec(other)
    except (ImportError, ValueError):
        return False
    if file is None or spec is None or spec.origin is None:
        return False
    place = Path(spec.origin).parent
    return Path(file).parent.samefile(place.parent if spec.submodule_search_locations else place)


def _specification(module: str) -> object:
    """Return the specification of a module, a new one for each import of it."""
    return getattr(sys.modules.get(module), "__spec__", None)


Triggers = TriggerBuilder | Sequence[TriggerBuilder]


class TaskRegistry:
    """Holds the tasks of one app, and their triggers until a runner stores them.

    Args:
        app: The app.
        app_module: Returns the module that defines the app, if that is known.

    Attributes:
        tasks: The registered tasks by their ids.
        deferred_triggers: The triggers of each task.
    """

    def __init__(self, app: App, app_module: Callable[[], str | None]) -> None:
        self._app = app
        self._app_module = app_module
        self.tasks: dict[TaskId, Task[..., Any]] = {}
        self._by_key: dict[str, Task[..., Any]] = {}
        self._specs: dict[str, object] = {}
        self.deferred_triggers: dict[TaskId, list[TriggerDefinition]] = {}

    def add(
        self, func: Func[Params, Result], options: Mapping[str, Any], naming: TaskNaming = NOT_RENAMED
    ) -> Task[Params, Result]:
        """Make a task of a function and register it.

        Raises:
            TaskDefinitionError: The function cannot be a task, or one of its names is that of another.
        """
        task: Task[Params, Result] = Task(self._app, func, options, naming)
        known = cast("Task[..., Any]", task)
        for key in task.keys:
            self._check_free(key, known)
        for key in task.keys:
            self._by_key[key] = known
            self._specs[key] = _specification(func.__module__)
        self.tasks[task.task_id] = known
        return task

    def _check_free(self, key: str, task: Task[..., Any]) -> None:
        """Refuse a name that another function has; the same function once more is a reload."""
        found = self._by_key.get(key)
        if found is None or found.task_id not in self.tasks:
            return
        before, now = found.func, task.func
        is_same_run = self._specs.get(key) is _specification(now.__module__)
        if before.__name__ == now.__name__ and is_same_run and is_defined_twice(before, now):
            raise TaskDefinitionError(
                f"two functions of module '{now.__module__}' are named '{now.__name__}', at "
                f"{place_of(before)} and {place_of(now)}, so the second would take the place of the first. "
                f"Rename one or give it a name of its own with 'name='."
            )
        if (before.__module__, before.__name__) != (now.__module__, now.__name__):
            raise TaskDefinitionError(
                f"the function '{now.__module__}.{now.__name__}' cannot be the task '{key}', because that "
                f"is a name of '{before.__module__}.{before.__name__}' already"
            )

    def find_task(self, task_id: TaskId | str) -> Task[..., Any]:
        """Return a task by its id or stored key, after importing its module if need be.

        Raises:
            TaskNotFoundError: Names the task and the modules with tasks that are known.
        """
        key = task_id if isinstance(task_id, str) else task_id.key
        found = self._by_key.get(key)
        if found is not None and found.task_id in self.tasks:
            return found
        module, _, _ = key.rpartition(".")
        reason: str | None = None
        if module not in sys.modules and not self._may_import(module):
            raise TaskNotFoundError(key, [each.key for each in list(self.tasks)], _NOT_ALLOWED.format(module))
        try:
            importlib.import_module(module)
        except BaseException as error:
            if is_key_press(error):
                raise
            reason = f"importing '{module}' failed: {type_name(type(error))}: {error_text(error)}"
        found = self._by_key.get(key)
        if found is None or found.task_id not in self.tasks:
            raise TaskNotFoundError(key, [each.key for each in list(self.tasks)], reason)
        return found

    def _may_import(self, module: str) -> bool:
        """Return whether a stored task id may make this process import a module."""
        own = (self._app_module() or "").partition(".")[0]
        conf = self._app.conf
        allowed = [own, *conf.modules_to_import, *conf.allowed_task_packages]
        roots = [literal_head(each) for each in allowed]
        if any(root and f"{module}.".startswith(f"{root}.") for root in roots):
            return True
        return own == self._app_module() and _are_neighbours(own, module.partition(".")[0])

    def import_task_modules(self) -> None:
        """Import the modules that the setting `task_modules` names.

        Raises:
            ConfigError: One of them cannot be imported, or a pattern fits none.
        """
        for name in self._app.conf.modules_to_import:
            modules = matching_modules(name, self._app_module()) if "*" in name else [name]
            if not modules:
                raise ConfigError(f"setting 'task_modules' names '{name}', which fits no module")
            for module in modules:
                try:
                    importlib.import_module(module)
                except Exception as error:
                    raise ConfigError(
                        f"setting 'task_modules' names '{name}', and '{module}' cannot be imported: "
                        f"{type_name(type(error))}: {error_text(error)}"
                    ) from error

    def modules_left_out(self) -> list[str]:
        """Return the modules beside that of the app that define tasks of it and are not imported."""
        module = self._app_module()
        loaded = sys.modules.get(module or "")
        variables = [name for name, value in vars(loaded).items() if value is self._app] if loaded else []
        if module is None or module == "__main__" or not variables:
            return []
        return [each for each in modules_with_tasks(module, variables[0]) if each not in sys.modules]

    # --- core tasks --------------------------------------------------------------------

    def register_core_tasks(self) -> None:
        """Register every task of the core."""
        for definition in core_tasks_registry:
            self.register_core_task(definition)

    def register_core_task(self, task_def: CoreTaskDefinition) -> None:
        """Register one task of the core; doing it again changes nothing."""
        task_id = TaskId(task_def.func.__module__, task_def.func.__name__)
        if task_id not in self.tasks:
            self.add(task_def.func, task_def.options)

    # --- triggers ----------------------------------------------------------------------

    def defer_triggers(self, task: Task[..., Any], triggers: Triggers | None) -> None:
        """Keep the triggers of a task until a runner stores them.

        Raises:
            TaskDefinitionError: Something is not a trigger, or has no condition.
        """
        if triggers is None:
            return
        builders = [triggers] if isinstance(triggers, TriggerBuilder) else triggers
        if not isinstance(builders, (list, tuple)):
            builders = [cast(TriggerBuilder, builders)]
        for builder in builders:
            if not isinstance(builder, TriggerBuilder):
                raise TaskDefinitionError(
                    f"task '{task.task_id}' names {builder!r} as a trigger; use what on_cron(...), "
                    f"on_event(...) or TriggerBuilder() return"
                )
        definitions = [builder.build(task.task_id) for builder in builders]
        for definition in definitions:
            definition.stored()
        self.deferred_triggers[task.task_id] = definitions

    def defined_triggers(self) -> list[TriggerDefinition]:
        """Return the triggers that the code of this process defines."""
        return [each for definitions in list(self.deferred_triggers.values()) for each in definitions]

    def trigger_store(self) -> BaseTrigger:
        """Return the store of the app's triggers."""
        return self._app.components.trigger

    def register_deferred_triggers(self) -> None:
        """Store the triggers of all tasks; runners do it when they start."""
        store = self.trigger_store()
        modules = {task_id.module for task_id in list(self.tasks)}
        present = [
            stored
            for stored in store.find_definitions()
            if stored.task_id in self._by_key or TaskId.from_key(stored.task_id).module in modules
        ]
        store.replace(present, self.defined_triggers())
        store.swap_marks([(None, Mark(DEFINED_MARK, "", store.now()))])
        self._app.catalog.expire()

    def defaults_of(self, task_id: str) -> Mapping[str, Any]:
        """Return the defaults of a task's parameters; empty if this process does not have the task."""
        try:
            return self.find_task(task_id).binder.defaults
        except TaskNotFoundError:
            return {}

    def live_trigger(self, stored: StoredTrigger) -> TriggerDefinition | None:
        """Return what the code of this process says of a stored trigger; None if it does not have it."""
        with contextlib.suppress(TaskNotFoundError):
            self.find_task(stored.task_id)
        for definition in self.deferred_triggers.get(TaskId.from_key(stored.task_id), ()):
            if definition.stored().trigger_id == stored.trigger_id:
                return definition
        return None
