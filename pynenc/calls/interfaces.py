"""The vocabulary of calling: what an app, a task, an invocation and a group of them offer."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, Unpack, overload

from pynenc.calls import habits
from pynenc.calls.app_services import AppServices
from pynenc.calls.arguments import ParallelItem, submit_read
from pynenc.calls.body_record import BodyRecord
from pynenc.calls.call_options import CallOptions, CallOptionValues
from pynenc.calls.carried_headers import CarriesHeaders
from pynenc.calls.group_results import GroupResults
from pynenc.calls.habits import AnswersHabits
from pynenc.calls.reporting import ReportsProgress
from pynenc.calls.task_traits import TaskTraits
from pynenc.exceptions import InvocationNotFoundError
from pynenc.identifiers.task_id import TaskId
from pynenc.invocation.arguments import Arguments
from pynenc.invocation.state import HistoryEntry
from pynenc.invocation.status import InvocationStatus
from pynenc.invocation.workflow_identity import WorkflowIdentity
from pynenc.logs import shown_arguments
from pynenc.storage.beside_loop import beside_loop, submitted_beside_loop
from pynenc.types import Params, Result

# --- apps ------------------------------------------------------------------------------


class App(AppServices, Protocol):
    """The app, as tasks, invocations and runners see it."""

    @property
    def tasks(self) -> Mapping[TaskId, BaseTask[..., Any]]:
        """The registered tasks by their ids."""

    def find_task(self, task_id: TaskId | str) -> BaseTask[..., Any]:
        """Return a task by its id or stored key; raise `TaskNotFoundError` if there is none."""

    def get_invocation(self, invocation_id: str) -> BaseInvocation[..., Any]:
        """Return a handle on a stored invocation; raise `InvocationNotFoundError` if there is none."""

    def find_children(self, invocation_id: str) -> list[BaseInvocation[..., Any]]:
        """Return handles on what the body of an invocation has submitted, oldest first."""

    def find_parent(self, invocation_id: str) -> BaseInvocation[..., Any] | None:
        """Return a handle on the invocation whose body submitted one."""

    def retry_invocation(self, invocation_id: str, from_step: str | None = None) -> BaseInvocation[..., Any]:
        """Make a call once more, or go on with a workflow, as a new invocation."""


class Submittable(AnswersHabits, ABC, Generic[Params, Result]):
    """Whatever is called to make an invocation: a task, or a task with other options.

    Attributes:
        call_options: The options of its calls.
    """

    _habits = habits.TASK
    call_options: CallOptions

    @property
    @abstractmethod
    def base_task(self) -> BaseTask[Params, Result]:
        """The task."""

    @abstractmethod
    def __call__(self, *args: Params.args, **kwargs: Params.kwargs) -> BaseInvocation[Params, Result]:
        """Make an invocation."""

    @abstractmethod
    def parallelize(
        self,
        items: Iterable[ParallelItem] | None = None,
        common_args: Mapping[str, Any] | None = None,
        *,
        param_iter: Iterable[ParallelItem] | None = None,
    ) -> InvocationGroup[Params, Result]:
        """Make an invocation for each item."""

    async def acall(self, *args: Params.args, **kwargs: Params.kwargs) -> BaseInvocation[Params, Result]:
        """Make an invocation like a plain call, without blocking the event loop.

        Raises:
            asyncio.CancelledError: The await was cancelled; `accepted_ids` says whether the call was
                accepted. That is known as soon as the storage has answered.
        """
        return await submitted_beside_loop(
            lambda: self(*args, **kwargs), lambda invocation: (invocation.invocation_id,)
        )

    async def aparallelize(
        self,
        items: Iterable[ParallelItem] | AsyncIterable[ParallelItem] | None = None,
        common_args: Mapping[str, Any] | None = None,
        *,
        param_iter: Iterable[ParallelItem] | AsyncIterable[ParallelItem] | None = None,
    ) -> InvocationGroup[Params, Result]:
        """Make an invocation for each item like `parallelize`, without blocking the event loop.

        An iterator is read in a thread, an asynchronous one in the event loop. If the await is
        cancelled, `accepted_ids(error)` says what was accepted.
        """

        async def submit(
            given: Iterable[ParallelItem] | None, also: Iterable[ParallelItem] | None = None
        ) -> InvocationGroup[Params, Result]:
            return await submitted_beside_loop(
                lambda: self.parallelize(given, common_args, param_iter=also),
                lambda group: tuple(each.invocation_id for each in group),
            )

        for source in (items, param_iter):
            if isinstance(source, AsyncIterable) and (items is None or param_iter is None):
                return InvocationGroup(self.base_task, await submit_read(source, submit))
        return await submit(items, param_iter)  # type: ignore[arg-type]


class BaseTask(TaskTraits, Submittable[Params, Result]):
    """A task, as the rooms below the task API see it.

    Attributes:
        app: The app.
        func: The function.
    """

    app: App
    func: Callable[Params, Any]

    @property
    @abstractmethod
    def is_async(self) -> bool:
        """True if the function is an `async def`."""

    @property
    @abstractmethod
    def logger(self) -> logging.Logger:
        """The logger of the app."""

    @abstractmethod
    def options(self, **options: Unpack[CallOptionValues]) -> Submittable[Params, Result]:
        """Return the task with other options, to be called in its place."""

    @abstractmethod
    def args(self, *args: Params.args, **kwargs: Params.kwargs) -> Arguments:
        """Bind arguments without calling."""


@dataclass(frozen=True, slots=True, eq=False)
class Call(Generic[Params, Result]):
    """A task and the arguments of one call.

    Attributes:
        task: The task.
        arguments: The bound arguments.
    """

    task: BaseTask[Params, Result]
    arguments: Arguments

    @property
    def kwargs(self) -> dict[str, Any]:
        """The values by parameter name."""
        return self.arguments.kwargs

    def __str__(self) -> str:
        """Return the call as logs show it."""
        shown = shown_arguments(self.task.app.conf, self.arguments.kwargs)
        return f"{self.task.task_id}({shown})"


class BaseInvocation(AnswersHabits, CarriesHeaders, ReportsProgress, ABC, Generic[Params, Result]):
    """One run of a task, from the call to its end: what every call returns.

    Attributes:
        invocation_id: The id.
        task: The task.
        workflow: The workflow that the invocation belongs to.
        kwargs: The bound arguments as a dictionary.
        body_record: What its body has recorded, while that runs here.
    """

    _habits = habits.INVOCATION
    __slots__ = ("__weakref__", "body_record", "invocation_id", "kwargs", "task", "workflow")

    invocation_id: str
    task: BaseTask[Params, Result]
    workflow: WorkflowIdentity
    body_record: BodyRecord | None
    kwargs: dict[str, Any]

    @property
    def arguments(self) -> Arguments:
        """The bound arguments."""
        return Arguments(self.kwargs)

    @property
    def call(self) -> Call[Params, Result]:
        """The task together with the arguments."""
        return Call(self.task, self.arguments)

    @property
    @abstractmethod
    def status(self) -> InvocationStatus:
        """The current status."""

    @property
    @abstractmethod
    def num_retries(self) -> int:
        """The number of retries so far."""

    @property
    @abstractmethod
    def history(self) -> list[HistoryEntry]:
        """All statuses so far, oldest first."""

    @property
    @abstractmethod
    def waits_for(self) -> str | None:
        """The reason why a parked invocation waits, in words; None if it is not parked."""

    @property
    @abstractmethod
    def error(self) -> BaseException | None:
        """The exception that `result` raises, as soon as the status says that there is one.

        None while the invocation has not ended, and after a success.
        """

    @property
    @abstractmethod
    def children(self) -> list[BaseInvocation[..., Any]]:
        """Handles on what its body has submitted and is still stored, oldest first."""

    @property
    @abstractmethod
    def parent(self) -> BaseInvocation[..., Any] | None:
        """A handle on the invocation whose body submitted it; None if there is none, or none any more."""

    @abstractmethod
    def retry(self, from_step: str | None = None) -> BaseInvocation[Params, Result]:
        """Make the same call once more, after this one has ended; the new invocation.

        A workflow that has failed goes on from its record: what was done is not done again, but for
        the step or child that failed. If it has compensated, or was cancelled, it begins anew.

        Args:
            from_step: The first step, or task of a child, that is done again, by its name.

        Raises:
            InvocationError: It has not ended, and is not blocked because no code fits it.
            WorkflowUsageError: No such step is recorded.
        """

    @property
    def result(self) -> Result:
        """The result; waits for it.

        Raises:
            Exception: What the task raised, with the traceback of the worker as its cause.
            InvocationError: The invocation ended without result or exception, for example cancelled.
        """
        return self.wait()

    @abstractmethod
    def wait(self, timeout_s: float | None = None) -> Result:
        """Return the result, like `result`.

        Args:
            timeout_s: Longest wait, in seconds.

        Raises:
            TimeoutError: The invocation has not ended in time; it is not cancelled.
        """

    @abstractmethod
    async def async_result(self, timeout_s: float | None = None) -> Result:
        """Return the result, like `wait`, without blocking the event loop."""

    @abstractmethod
    def cancel(self, children: bool = False) -> None:
        """Cancel the invocation.

        A waiting invocation becomes CANCELLED at once. A running one is asked to stop: its body
        notices where it waits for another invocation and where it calls `check_interruption`. An
        invocation that has ended stays as it is.

        Args:
            children: Whether all that it has started is cancelled, too, and what that has started. That
                of a workflow is cancelled in any case, unless its option `cancel_children` is False.
        """

    async def acancel(self, children: bool = False) -> None:
        """Cancel the invocation like `cancel`, without blocking the event loop."""
        await beside_loop(lambda: self.cancel(children))

    @property
    @abstractmethod
    def is_settled(self) -> bool:
        """True if the outcome is known here, so that `result` and `error` read nothing."""

    # --- for groups: asked of the first member on behalf of all --------------------------

    @abstractmethod
    def settle_all(
        self, members: Sequence[BaseInvocation[Params, Result]], timeout_s: float | None
    ) -> Iterator[list[BaseInvocation[Params, Result]]]:
        """Wait for invocations of one app, and give those that have ended, in batches as they do."""

    @abstractmethod
    def settle_all_async(
        self, members: Sequence[BaseInvocation[Params, Result]], timeout_s: float | None
    ) -> AsyncIterator[list[BaseInvocation[Params, Result]]]:
        """Do the same without blocking the event loop."""

    @abstractmethod
    def cancel_all(self, members: Sequence[BaseInvocation[Params, Result]], children: bool) -> None:
        """Cancel invocations of one app, in one batch."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.invocation_id} of {self.task.task_id}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BaseInvocation) and self.invocation_id == other.invocation_id

    def __hash__(self) -> int:
        return hash(self.invocation_id)


class InvocationGroup(GroupResults[BaseInvocation[Params, Result], Result], Generic[Params, Result]):
    """Invocations of one task that were made together.

    Attributes:
        task: The task.
        invocations: The invocations, in the order of the calls.
    """

    def __init__(
        self, task: BaseTask[Params, Result], invocations: Sequence[BaseInvocation[Params, Result]]
    ) -> None:
        super().__init__(invocations)
        self.task = task

    def __iter__(self) -> Iterator[BaseInvocation[Params, Result]]:
        return iter(self.invocations)

    def __len__(self) -> int:
        return len(self.invocations)

    @overload
    def __getitem__(self, index: int) -> BaseInvocation[Params, Result]: ...

    @overload
    def __getitem__(self, index: slice) -> list[BaseInvocation[Params, Result]]: ...

    def __getitem__(
        self, index: int | slice
    ) -> BaseInvocation[Params, Result] | list[BaseInvocation[Params, Result]]:
        return self.invocations[index]

    # --- state ---------------------------------------------------------------------------

    @property
    def status(self) -> dict[InvocationStatus, int]:
        """The number of invocations with each status; those that are not stored any more do not count."""
        known = [each for each in self.invocations if not isinstance(each.error, InvocationNotFoundError)]
        return dict(Counter(each.status for each in known))

    @property
    def error(self) -> list[BaseException | None]:
        """The `error` of each invocation, in the order of the calls."""
        return [each.error for each in self.invocations]

    def cancel(self, children: bool = False) -> None:
        """Cancel all invocations, as `BaseInvocation.cancel` does."""
        if self.invocations:
            self.invocations[0].cancel_all(self.invocations, children)

    async def acancel(self, children: bool = False) -> None:
        """Cancel all invocations like `cancel`, without blocking the event loop."""
        await beside_loop(lambda: self.cancel(children))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self.invocations)} of {self.task.task_id}>"


BaseInvocationGroup = InvocationGroup
"""The name of `InvocationGroup` in other versions of this API."""

AnyInvocation: TypeAlias = BaseInvocation[..., Any]

current_invocation: ContextVar[AnyInvocation | None] = ContextVar("pynenc_invocation", default=None)
"""The invocation whose body runs in this context."""
