"""Tasks that every app has: the upkeep that runners also do by themselves, on request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pynenc.calls.interfaces import App, current_invocation
from pynenc.context import get_current_runner
from pynenc.lifecycle import recovery, retention


@dataclass(frozen=True, slots=True)
class CoreTaskDefinition:
    """A task of the core.

    Attributes:
        func: The function, at the top level of its module.
        options: Options as for the decorator of tasks.
    """

    func: Callable[..., Any]
    options: dict[str, Any] = field(default_factory=dict)


core_tasks_registry: list[CoreTaskDefinition] = []
"""Every task of the core; `Pynenc.register_core_tasks` makes tasks of an app out of them."""


def core_task(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Put a function into the registry of core tasks."""

    def decorate(func: Callable[..., Any]) -> Callable[..., Any]:
        core_tasks_registry.append(CoreTaskDefinition(func, options))
        return func

    return decorate


def _running_app() -> App:
    invocation = current_invocation.get()
    if invocation is None:
        raise RuntimeError("a core task needs an app: call it through app.get_task(...)")
    return invocation.task.app


@core_task()
def recover_invocations() -> int:
    """Take invocations back from dead runners and push forgotten ones; returns how many."""
    return recovery.recover(_running_app().components, get_current_runner().runner_id)


@core_task()
def purge_ended_invocations(older_than_hours: float) -> int:
    """Delete invocations that ended at least this long ago; returns how many."""
    components = _running_app().components
    return retention.purge_ended(components, components.orchestrator.now() - older_than_hours * 3600)
