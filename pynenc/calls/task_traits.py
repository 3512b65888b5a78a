"""Properties of a task that need nothing of its app: its names, options and parameters."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias, TypeVar

import msgspec

from pynenc.calls.arguments import ArgumentBinder
from pynenc.conf.config_task import ConfigTask
from pynenc.exceptions import TaskDefinitionError
from pynenc.identifiers.task_id import TaskId
from pynenc.identifiers.texts import shown

Q = TypeVar("Q", bound=Callable[..., Any])

Upgrade: TypeAlias = Callable[[dict[str, Any]], Mapping[str, Any]]
"""Turns the arguments of a call that was made for earlier code into those for the code as it is."""

_NAME = re.compile(r"[A-Za-z0-9_:-]+(\.[A-Za-z0-9_:-]+)+")
_LONGEST_NAME = 200


class TaskNaming(msgspec.Struct, frozen=True):
    """The names of a task, where they are not those of its function.

    Attributes:
        name: The name under which its calls are stored; None for that of the function.
        aliases: Further names under which calls are stored that it runs, too.
        upgrade: See `Upgrade`.
    """

    name: str | None = None
    aliases: tuple[str, ...] = ()
    upgrade: Upgrade | None = None

    @classmethod
    def given(cls, options: Mapping[str, Any]) -> TaskNaming:
        """Return what the options of a decorator say.

        Raises:
            TaskDefinitionError: A name is not valid, or `upgrade` cannot be called.
        """
        name, upgrade = options.get("name"), options.get("upgrade")
        aliases: Iterable[str] = options.get("aliases") or ()
        if isinstance(aliases, str) or not isinstance(aliases, Iterable):
            raise TaskDefinitionError(f"aliases={shown(aliases, 80)} is not a list of names")
        if upgrade is not None and not callable(upgrade):
            raise TaskDefinitionError(f"upgrade={shown(upgrade, 80)} cannot be called")
        return cls(
            None if name is None else _checked("name", name),
            tuple(dict.fromkeys(_checked("alias", each) for each in aliases)),
            upgrade,
        )


NOT_RENAMED = TaskNaming()
"""The naming of a task that has the name of its function."""


def _checked(what: str, name: object) -> str:
    if not isinstance(name, str) or len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
        raise TaskDefinitionError(
            f"{what} {shown(name, 80)} of a task is not two or more words of letters, digits, '_', '-' and "
            f"':', joined by dots, such as 'billing.charge', of {_LONGEST_NAME} characters at most"
        )
    return name


class TaskTraits:
    """Properties of a task that need nothing of its app.

    Attributes:
        task_id: Module and name of the function, or the name that the decorator gives.
        key: The task id as stored text.
        conf: The effective options.
        binder: Binds arguments to the parameters of the function.
        has_keys: Whether its calls are compared with others, for concurrency control or the cache.
        naming: The names that the decorator gives.
        queries: The functions that answer queries about its workflows, by their names.
    """

    task_id: TaskId
    key: str
    conf: ConfigTask
    binder: ArgumentBinder
    has_keys: bool
    naming: TaskNaming
    queries: dict[str, Callable[..., Any]]

    @property
    def keys(self) -> tuple[str, ...]:
        """The names under which its calls are stored: its own first."""
        return tuple(dict.fromkeys((self.key, *self.naming.aliases)))

    def query(self, function: Q) -> Q:
        """Make a function answer queries about the workflows of this task, under its name.

        `app.query_workflow(workflow_id, name, **arguments)` calls it in the process that asks, with the
        latest recorded state, a `WorkflowView`, and the arguments. It must not change anything.

        Raises:
            TaskDefinitionError: It cannot be called, or another has this name.

        Example:
            @order.query
            def progress(view: WorkflowView) -> int:
                return view.data.get("percent", 0)
        """
        name = getattr(function, "__name__", "")
        if not callable(function) or not name or name == "<lambda>":
            raise TaskDefinitionError(f"{shown(function, 80)} is not a function with a name")
        if inspect.iscoroutinefunction(function):
            raise TaskDefinitionError(f"query '{name}' is a coroutine function; it has to be a plain one")
        known = self.queries.get(name)
        if known is not None and known.__module__ != function.__module__:
            raise TaskDefinitionError(
                f"task '{self.task_id}' has a query '{name}' of {known.__module__} already"
            )
        self.queries[name] = function
        return function

    def upgraded(self, stored_key: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return stored arguments as the function takes them now.

        Those of a call that was stored under another name, or that do not fit the parameters, go
        through `upgrade`, if there is one.

        Args:
            stored_key: The name under which the call is stored.
            arguments: Its arguments by parameter name.

        Raises:
            TypeError: What `upgrade` returns is not a mapping of arguments that fit.
            Exception: Whatever `upgrade` raises.
        """
        upgrade = self.naming.upgrade
        if upgrade is None or (stored_key == self.key and self.binder.fits(arguments)):
            return arguments
        found = upgrade(dict(arguments))
        if not isinstance(found, Mapping) or not self.binder.fits(found):
            raise TypeError(
                f"'upgrade' of task '{self.task_id}' returned {shown(found, 200)}, which is not a mapping of "
                f"arguments that fit the function; it takes: {', '.join(self.binder.signature.parameters)}"
            )
        return dict(found)
