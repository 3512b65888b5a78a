"""Sagas: what was done is compensated, the last first, if a workflow fails or is cancelled."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Protocol, Self

from pynenc.calls.interfaces import BaseInvocation, BaseTask
from pynenc.exceptions import InvocationCancelledError
from pynenc.identifiers.texts import shown
from pynenc.interruption import current_interruption

COMPENSATES = "pynenc.compensates"
"""The change of the code under whose name it is recorded that compensations are run."""


class RunsTasks(Protocol):
    """The part of a workflow that a saga needs."""

    def execute_task(
        self, task: BaseTask[..., Any], /, *args: Any, **kwargs: Any
    ) -> BaseInvocation[..., Any]:
        """Start a child once, however often the body runs."""

    def patched(self, name: str) -> bool:
        """Record that the code does something under a name, unless the record is from before that."""


class Saga:
    """Collects compensations inside a `with` (or `async with`) block.

    An exception that leaves the block, the cancelling of the workflow included, runs them as
    children, the last first, each once. One that fails is logged and the others run all the same.
    Then the exception goes on.

    Example:
        with task.wf.saga() as saga:
            task.wf.execute_task(reserve, order_id).result
            saga.add(release, order_id)
            task.wf.execute_task(pay, order_id).result
    """

    def __init__(self, context: RunsTasks) -> None:
        self._context = context
        self._compensations: list[tuple[BaseTask[..., Any], tuple[Any, ...], dict[str, Any]]] = []

    def add(self, task: BaseTask[..., Any], *args: Any, **kwargs: Any) -> None:
        """Compensate with a task, if it comes to that.

        Raises:
            TypeError: The arguments do not fit the task.
        """
        task.args(*args, **kwargs)
        self._compensations.append((task, args, kwargs))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):
            self._accept(error)
            for task, args, kwargs in reversed(self._compensations):
                try:
                    _ = self._context.execute_task(task, *args, **kwargs).result
                except Exception as failure:  # noqa: BLE001 - the others must run
                    self._tell(task, failure, error)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):
            self._accept(error)
            for task, args, kwargs in reversed(self._compensations):
                try:
                    await self._context.execute_task(task, *args, **kwargs).async_result()
                except Exception as failure:  # noqa: BLE001 - the others must run
                    self._tell(task, failure, error)

    def _accept(self, error: BaseException) -> None:
        """The body knows that it is to end; it may wait for its compensations."""
        interruption = current_interruption.get()
        if interruption is not None and isinstance(error, InvocationCancelledError):
            interruption.acknowledge()
        if self._compensations:
            self._context.patched(COMPENSATES)

    def _tell(self, task: BaseTask[..., Any], failure: Exception, error: BaseException) -> None:
        error.add_note(f"its compensation by {task.task_id} failed: {type(failure).__name__}: {failure}")
        task.logger.error("compensation by %s failed: %s", task.task_id, shown(failure))
