"""Assertions about the calls that were submitted, whether or not they run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pynenc.app import Pynenc
from pynenc.calls.interfaces import BaseInvocation
from pynenc.task import Task

_MOST = 100_000
_SHOWN = 20


class Submissions:
    """The calls that an app has stored.

    Args:
        app: The app.
    """

    def __init__(self, app: Pynenc) -> None:
        self._app = app

    def of(self, task: Task[..., Any] | Callable[..., Any]) -> list[BaseInvocation[..., Any]]:
        """Return handles on the calls of a task, oldest first.

        Args:
            task: A task, or the function that `direct_task` has made.
        """
        own = _task_of(task)
        return list(reversed(self._app.find_invocations(own, limit=_MOST)))

    def assert_submitted(
        self, task: Task[..., Any] | Callable[..., Any], *args: Any, **kwargs: Any
    ) -> BaseInvocation[..., Any]:
        """Fail unless exactly one call of a task with these arguments was submitted; return its handle.

        Args:
            task: The task.
            args: Positional arguments, with `kwargs` all that the call must have, defaults included.
            kwargs: Named arguments.
        """
        found = self._equal(task, args, kwargs)
        if len(found) != 1:
            raise AssertionError(f"{len(found)} calls instead of one: {self._told(task, args, kwargs)}")
        return found[0]

    def assert_submitted_times(
        self, times: int, task: Task[..., Any] | Callable[..., Any], *args: Any, **kwargs: Any
    ) -> list[BaseInvocation[..., Any]]:
        """Fail unless so many calls of a task with these arguments were submitted; return their handles."""
        found = self._equal(task, args, kwargs)
        if len(found) != times:
            raise AssertionError(f"{len(found)} calls instead of {times}: {self._told(task, args, kwargs)}")
        return found

    def assert_not_submitted(self, task: Task[..., Any] | Callable[..., Any]) -> None:
        """Fail if any call of a task was submitted."""
        if found := self.of(task):
            shown = ", ".join(str(each.call) for each in found[:_SHOWN])
            raise AssertionError(f"{len(found)} call(s) were submitted: {shown}")

    def _equal(
        self, task: Task[..., Any] | Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> list[BaseInvocation[..., Any]]:
        own = _task_of(task)
        wanted = _complete(own, own.binder.bind(args, dict(kwargs)))
        return [each for each in self.of(own) if _complete(own, each.kwargs) == wanted]

    def _told(
        self, task: Task[..., Any] | Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> str:
        own = _task_of(task)
        wanted = ", ".join([*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())])
        others = [f"{own.task_id}({_listed(each.kwargs)})" for each in self.of(own)[:_SHOWN]]
        return f"wanted {own.task_id}({wanted}); submitted: {', '.join(others) or 'none of this task'}"


def _task_of(task: Task[..., Any] | Callable[..., Any]) -> Task[..., Any]:
    """Return a task itself; that of a direct task stands behind its function.

    Raises:
        TypeError: It is neither.
    """
    found = getattr(task, "task", task)
    if not isinstance(found, Task):
        raise TypeError(f"{task!r} is not a task")
    return found


def _complete(task: Task[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {**task.binder.defaults, **arguments}


def _listed(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())
