"""What every invocation offers, however it is run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

from pynenc.calls.arguments import Arguments
from pynenc.invocation.status import InvocationStatus
from pynenc.invocation.workflow_identity import WorkflowIdentity
from pynenc.logs import shown_arguments
from pynenc.types import Params, Result

if TYPE_CHECKING:
    from pynenc.task import Task

if TYPE_CHECKING:
    from pynenc.task import Task
    from pynenc.workflow.context import WorkflowContext


class BaseInvocation(ABC, Generic[Params, Result]):
    """One run of a task, from the call to its end.

    Attributes:
        invocation_id: Its id.
        call: The task and its arguments.
        workflow: The workflow that it belongs to.
    """

    def __init__(self, invocation_id: str, call: Call[Params, Result], workflow: WorkflowIdentity) -> None:
        self.invocation_id = invocation_id
        self.call = call
        self.workflow = workflow
        self.body_record: WorkflowContext | None = None
        """What its body has recorded, while that runs here."""

    @property
    def task(self) -> Task[Params, Result]:
        """The task."""
        return self.call.task

    @property
    def arguments(self) -> Arguments:
        """The bound arguments."""
        return self.call.arguments

    @property
    @abstractmethod
    def status(self) -> InvocationStatus:
        """Where it stands."""

    @property
    @abstractmethod
    def num_retries(self) -> int:
        """How often the task asked for another run so far."""

    @property
    @abstractmethod
    def result(self) -> Result:
        """The result; waits for it.

        Raises:
            Exception: What the task raised, with the traceback of the worker as its cause.
            InvocationError: It ended without result or exception, for example cancelled.
        """

    @abstractmethod
    async def async_result(self) -> Result:
        """The result, like `result`, without blocking the event loop."""

    @abstractmethod
    def cancel(self) -> None:
        """Ask for its end.

        What waits ends at once. What runs is asked to end: the body notices where it waits for
        another invocation and where it calls `check_interruption`. What has ended stays as it is.
        """

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.invocation_id} of {self.task.task_id}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BaseInvocation) and self.invocation_id == other.invocation_id

    def __hash__(self) -> int:
        return hash(self.invocation_id)


class BaseInvocationGroup(ABC, Generic[Params, Result]):
    """Invocations that were made together.

    Attributes:
        task: Their task.
        invocations: The invocations, in the order of the calls.
    """

    def __init__(
        self,
        task: Task[Params, Result],
        invocations: Sequence[BaseInvocation[Params, Result]],
    ) -> None:
        self.task = task
        self.invocations = list(invocations)

    def __iter__(self) -> Iterator[BaseInvocation[Params, Result]]:
        return iter(self.invocations)

    def __len__(self) -> int:
        return len(self.invocations)

    @property
    @abstractmethod
    def results(self) -> Iterator[Result]:
        """The results in the order of the calls, each as soon as it is there.

        Raises:
            Exception: What the task raised, where the iteration comes to that invocation.
        """

    @abstractmethod
    def async_results(self) -> AsyncIterator[Result]:
        """The results in the order of the calls, without blocking the event loop."""


current_invocation: ContextVar[BaseInvocation[..., object] | None] = ContextVar(
    "pynenc_invocation", default=None
)
"""The invocation whose body runs in this context."""


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
