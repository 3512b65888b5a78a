"""The vocabulary of calling: what an app, a task, an invocation and a group of them offer."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, Unpack, cast, overload

from pynenc.broker.base_broker import BaseBroker
from pynenc.calls.arguments import ArgumentBinder, Arguments, ParallelItem
from pynenc.calls.call_options import CallOptions, CallOptionValues
from pynenc.calls.inline_records import InlineRecords
from pynenc.conf.config_pynenc import ConfigPynenc
from pynenc.conf.config_task import ConfigTask
from pynenc.conf.loader import SettingsLoader
from pynenc.identifiers.task_id import TaskId
from pynenc.invocation.state import HistoryEntry
from pynenc.invocation.status import InvocationStatus
from pynenc.invocation.workflow_identity import WorkflowIdentity
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.parking import Parking
from pynenc.logs import shown_arguments
from pynenc.orchestrator.base_orchestrator import BaseOrchestrator
from pynenc.plugins.component import Component
from pynenc.plugins.kinds import ComponentKind
from pynenc.scheduler.catalog import TriggerCatalog
from pynenc.state_backend.base_state_backend import BaseStateBackend
from pynenc.trigger.base_trigger import BaseTrigger
from pynenc.trigger.definition import StoredTrigger, TriggerDefinition
from pynenc.types import Params, Result

# --- apps ------------------------------------------------------------------------------


class ProvidesComponents(Protocol):
    """Selects and builds the components of an app; runners ask it when they start."""

    def get(self, kind: ComponentKind) -> Component:
        """Return the component of a kind, built at its first use."""

    def component_class(self, kind: ComponentKind) -> type[Component]:
        """Return the class that the settings select for a kind."""


class App(Protocol):
    """What tasks, invocations and runners ask of their app."""

    @property
    def app_id(self) -> str:
        """The id, which all stored data carries."""

    @property
    def conf(self) -> ConfigPynenc:
        """The effective settings."""

    @property
    def logger(self) -> logging.Logger:
        """The logger of the app."""

    @property
    def settings_loader(self) -> SettingsLoader:
        """The loader of all settings."""

    @property
    def components(self) -> Components:
        """The components, as the rules of an invocation's life use them."""

    @property
    def broker(self) -> BaseBroker:
        """The queues."""

    @property
    def orchestrator(self) -> BaseOrchestrator:
        """The status records."""

    @property
    def state_backend(self) -> BaseStateBackend:
        """Calls, results and histories."""

    @property
    def trigger(self) -> BaseTrigger:
        """Triggers and events."""

    @property
    def component_provider(self) -> ProvidesComponents:
        """The provider of single components."""

    @property
    def catalog(self) -> TriggerCatalog:
        """The triggers that this process knows."""

    @property
    def inline_records(self) -> InlineRecords:
        """What invocations that run inline leave behind."""

    @property
    def tasks(self) -> Mapping[TaskId, BaseTask[..., Any]]:
        """The registered tasks by their ids."""

    def find_task(self, task_id: TaskId | str) -> BaseTask[..., Any]:
        """Return a task by its id or stored key; raise `TaskNotFoundError` if there is none."""

    def live_trigger(self, stored: StoredTrigger) -> TriggerDefinition | None:
        """Return what the code of this process says of a stored trigger, if it has it."""

    def import_task_modules(self) -> None:
        """Import the modules that the setting `trigger_task_modules` names."""

    def register_core_tasks(self) -> None:
        """Register every task of the core."""

    def register_deferred_triggers(self) -> None:
        """Store the triggers of all tasks."""

    def get_invocation(self, invocation_id: str) -> BaseInvocation[..., Any]:
        """Return a handle on a stored invocation; raise `InvocationNotFoundError` if there is none."""

    def close(self) -> None:
        """Release connections."""


# --- tasks -----------------------------------------------------------------------------


class Submittable(ABC, Generic[Params, Result]):
    """Whatever is called to make an invocation: a task, or a task with other options.

    Attributes:
        call_options: The options of its calls.
    """

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


class BaseTask(Submittable[Params, Result]):
    """A task, as the rooms below the task API see it.

    Attributes:
        app: The app.
        func: The function.
        task_id: Module and name of the function.
        key: The task id as stored text.
        conf: The effective options.
        binder: Binds arguments to the parameters of the function.
        has_keys: Whether its calls are compared with others, for concurrency control or the cache.
    """

    app: App
    func: Callable[Params, Any]
    task_id: TaskId
    key: str
    conf: ConfigTask
    binder: ArgumentBinder
    has_keys: bool

    @property
    @abstractmethod
    def is_async(self) -> bool:
        """Whether the function is an `async def`."""

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


# --- bodies ----------------------------------------------------------------------------


class BodyRecord(Protocol):
    """What the body of an invocation has recorded, as engines and waiters use it."""

    first_look_s: float
    """Seconds after which a waiting body checks whether it is to be parked."""

    @property
    def parking(self) -> Parking | None:
        """How the body asked to be parked, if it did."""

    @property
    def has_steps(self) -> bool:
        """Whether anything was recorded."""

    def check_complete(self) -> None:
        """Refuse an end that comes before everything that was recorded."""

    def forget_failure(self, error: BaseException) -> None:
        """Drop the operation that raised an error, so that the next run tries it again."""

    def park_for(self, invocation_ids: Sequence[str]) -> None:
        """Park the body if what it waits for is a parked child."""

    def waiting_for(
        self, invocation_ids: Sequence[str], is_coroutine: bool = False
    ) -> AbstractContextManager[object]:
        """Return what to enter while the body waits for other invocations."""


# --- invocations -----------------------------------------------------------------------


class BaseInvocation(ABC, Generic[Params, Result]):
    """One run of a task, from the call to its end: what every call returns.

    Attributes:
        invocation_id: The id.
        task: The task.
        workflow: The workflow that the invocation belongs to.
        body_record: What its body has recorded, while that runs here.
    """

    __slots__ = ("__weakref__", "_arguments", "body_record", "invocation_id", "task", "workflow")

    invocation_id: str
    task: BaseTask[Params, Result]
    workflow: WorkflowIdentity
    body_record: BodyRecord | None
    _arguments: dict[str, Any]

    @property
    def arguments(self) -> Arguments:
        """The bound arguments."""
        return Arguments(self._arguments)

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
        """What a parked invocation waits for, in words; None if it is not parked."""

    @property
    @abstractmethod
    def error(self) -> BaseException | None:
        """The exception that `result` raises, as soon as the status says that there is one.

        None while the invocation has not ended, and after a success.
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
    def cancel(self) -> None:
        """Cancel the invocation.

        A waiting invocation becomes CANCELLED at once. A running one is asked to stop: its body
        notices where it waits for another invocation and where it calls `check_interruption`. An
        invocation that has ended stays as it is.
        """

    @property
    @abstractmethod
    def is_settled(self) -> bool:
        """Whether the outcome is known here, so that `result` and `error` read nothing."""

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
    def cancel_all(self, members: Sequence[BaseInvocation[Params, Result]]) -> None:
        """Cancel invocations of one app, in one batch."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.invocation_id} of {self.task.task_id}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BaseInvocation) and self.invocation_id == other.invocation_id

    def __hash__(self) -> int:
        return hash(self.invocation_id)


class InvocationGroup(Generic[Params, Result]):
    """Invocations of one task that were made together.

    Attributes:
        task: The task.
        invocations: The invocations, in the order of the calls.
    """

    def __init__(
        self, task: BaseTask[Params, Result], invocations: Sequence[BaseInvocation[Params, Result]]
    ) -> None:
        self.task = task
        self.invocations = list(invocations)

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

    # --- results -------------------------------------------------------------------------

    @property
    def result(self) -> list[Result]:
        """All results in the order of the calls; waits for them.

        Raises:
            Exception: What the first failed invocation, in the order of the calls, raised.
        """
        return self.wait()

    def wait(self, timeout_s: float | None = None) -> list[Result]:
        """Return all results, like `result`.

        Args:
            timeout_s: Longest wait for all of them together, in seconds.

        Raises:
            TimeoutError: Some have not ended in time; nothing is cancelled.
        """
        return list(self._in_order(timeout_s))

    async def async_result(self, timeout_s: float | None = None) -> list[Result]:
        """Return all results, like `wait`, without blocking the event loop."""
        return [result async for result in self._in_order_async(timeout_s)]

    @property
    def results(self) -> Iterator[Result]:
        """The results in the order of the calls, each as soon as it is there.

        Raises:
            Exception: What the task raised, where the iteration comes to that invocation.
        """
        return self._in_order(None)

    def async_results(self) -> AsyncIterator[Result]:
        """Return the results like `results`, without blocking the event loop."""
        return self._in_order_async(None)

    def outcomes(self, timeout_s: float | None = None) -> list[Result | BaseException]:
        """Return for each call, in order, its result, or the exception with which it failed.

        Args:
            timeout_s: Longest wait for all of them together, in seconds.

        Raises:
            TimeoutError: Some have not ended in time.
        """
        for _ in self._settled(timeout_s):
            pass
        return self._outcomes()

    async def async_outcomes(self, timeout_s: float | None = None) -> list[Result | BaseException]:
        """Return the outcomes like `outcomes`, without blocking the event loop."""
        async for _ in self._settled_async(timeout_s):
            pass
        return self._outcomes()

    def as_completed(self, timeout_s: float | None = None) -> Iterator[BaseInvocation[Params, Result]]:
        """Return the invocations in the order in which they end.

        Args:
            timeout_s: Longest wait for all of them together, in seconds.

        Raises:
            TimeoutError: Some have not ended in time.
        """
        yield from [each for each in self.invocations if each.is_settled]
        for ended in self._settled(timeout_s):
            yield from ended

    async def async_as_completed(
        self, timeout_s: float | None = None
    ) -> AsyncIterator[BaseInvocation[Params, Result]]:
        """Return the invocations like `as_completed`, without blocking the event loop."""
        for each in [each for each in self.invocations if each.is_settled]:
            yield each
        async for ended in self._settled_async(timeout_s):
            for each in ended:
                yield each

    # --- state ---------------------------------------------------------------------------

    @property
    def status(self) -> dict[InvocationStatus, int]:
        """How many of the invocations have each status."""
        return dict(Counter(each.status for each in self.invocations))

    @property
    def error(self) -> list[BaseException | None]:
        """The `error` of each invocation, in the order of the calls."""
        return [each.error for each in self.invocations]

    def cancel(self) -> None:
        """Cancel all invocations, as `BaseInvocation.cancel` does."""
        if self.invocations:
            self.invocations[0].cancel_all(self.invocations)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self.invocations)} of {self.task.task_id}>"

    # --- inside --------------------------------------------------------------------------

    def _outcomes(self) -> list[Result | BaseException]:
        return [error if (error := each.error) is not None else each.result for each in self.invocations]

    def _settled(self, timeout_s: float | None) -> Iterator[list[BaseInvocation[Params, Result]]]:
        waiting = [each for each in self.invocations if not each.is_settled]
        return waiting[0].settle_all(waiting, timeout_s) if waiting else iter(())

    async def _settled_async(
        self, timeout_s: float | None
    ) -> AsyncIterator[list[BaseInvocation[Params, Result]]]:
        waiting = [each for each in self.invocations if not each.is_settled]
        if waiting:
            async for ended in waiting[0].settle_all_async(waiting, timeout_s):
                yield ended

    def _in_order(self, timeout_s: float | None) -> Iterator[Result]:
        at = 0
        for _ in self._settled(timeout_s):
            while at < len(self.invocations) and self.invocations[at].is_settled:
                yield self.invocations[at].result
                at += 1
        for invocation in self.invocations[at:]:
            yield invocation.result

    async def _in_order_async(self, timeout_s: float | None) -> AsyncIterator[Result]:
        at = 0
        async for _ in self._settled_async(timeout_s):
            while at < len(self.invocations) and self.invocations[at].is_settled:
                yield self.invocations[at].result
                at += 1
        for invocation in self.invocations[at:]:
            yield invocation.result


BaseInvocationGroup = InvocationGroup
"""The name of `InvocationGroup` in other versions of this API."""

AnyInvocation: TypeAlias = BaseInvocation[..., Any]

current_invocation: ContextVar[AnyInvocation | None] = ContextVar("pynenc_invocation", default=None)
"""The invocation whose body runs in this context."""


def as_current(invocation: BaseInvocation[Params, Result]) -> None:
    """Make an invocation the one whose body runs in this context."""
    current_invocation.set(cast(AnyInvocation, invocation))
