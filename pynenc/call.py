"""Calls: a task with the arguments to run it with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

from pynenc.arguments import Arguments
from pynenc.logs import shown_arguments
from pynenc.types import Params, Result

if TYPE_CHECKING:
    from pynenc.task import Task


@dataclass(frozen=True, slots=True, eq=False)
class Call(Generic[Params, Result]):
    """A task and the arguments of one call.

    Attributes:
        task: The task.
        arguments: The bound arguments.
    """

    task: Task[Params, Result]
    arguments: Arguments

    @property
    def kwargs(self) -> dict[str, Any]:
        """The values by parameter name."""
        return self.arguments.kwargs

    def __str__(self) -> str:
        """The call as logs show it."""
        shown = shown_arguments(self.task.app.conf, self.arguments.kwargs)
        return f"{self.task.task_id}({shown})"
