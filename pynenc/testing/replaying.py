"""Replaying: whether changed code still fits what a workflow has recorded."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NoReturn

from pynenc.app import Pynenc
from pynenc.calls.body import run_function
from pynenc.calls.interfaces import BaseInvocation, current_invocation
from pynenc.client.dist_invocation import DistributedInvocation
from pynenc.client.histories import History, RecordedChild, RecordedStep, read_history
from pynenc.exceptions import NonDeterminismError
from pynenc.interruption import Interruption, current_interruption
from pynenc.invocation.state import InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.invocation.workflow_identity import WorkflowIdentity
from pynenc.lifecycle.values import ValueCodec
from pynenc.lifecycle.waiting import RaisedError, without_outcome
from pynenc.state_backend.workflow_records import Step, WorkflowEvent, step_id
from pynenc.task import Task
from pynenc.workflow.attempts import CANCELLED, path_and_attempt
from pynenc.workflow.context import WorkflowContext
from pynenc.workflow.coroutine_waits import AsyncWaits
from pynenc.workflow.journal import Entry, Place
from pynenc.workflow.run import DurableRun, Parked
from pynenc.workflow.runtime import UnreachableRuntime


class EndOfHistory(BaseException):
    """Stops a body that does more than its history holds. Not an `Exception`, so that it passes through."""


def assert_replays(history: str | os.PathLike[str], workflow: Task[..., Any]) -> None:
    """Fail if a workflow's code does not fit a recorded history.

    The body runs with what is recorded: no step is called, no child started, nothing stored. It must do the
    recorded operations in their order. One that has not ended may go on behind them.

    Args:
        history: A file that `pynenc workflows export` has written, or such a text.
        workflow: The task, with the changed code.

    Raises:
        AssertionError: Compares what was recorded with what the code does.
        ValueError: This is not a history.

    Example:
        @pytest.mark.parametrize("history", Path("histories").glob("*.json"))
        def test_running_orders_go_on(history):
            assert_replays(history, order)
    """
    is_text = isinstance(history, str) and history.lstrip().startswith("{")
    recorded = read_history(history if is_text else Path(history).read_bytes())  # type: ignore[arg-type]
    app = workflow.app
    assert isinstance(app, Pynenc)
    replay = _Replay(recorded, app.components.values)
    arguments = workflow.upgraded(recorded.task, app.components.values.read_texts(recorded.arguments))
    identity = WorkflowIdentity(recorded.workflow_id, recorded.task, None)
    invocation: DistributedInvocation[..., Any] = DistributedInvocation(
        recorded.workflow_id, workflow, arguments, identity
    )
    # One that was cancelled, or ran out of time, may have stopped anywhere.
    is_final = InvocationStatus(recorded.status) == InvocationStatus.SUCCESS
    was_cancelled = any(step.kind == CANCELLED for step in recorded.steps)
    run = DurableRun(replay, Interruption(), True, was_cancelled, recorded.attempt)
    invocation.body_record = WorkflowContext(identity, run, replay, AsyncWaits(run, -1.0, replay.now), -1.0)
    ended = _run(invocation)
    if run.misfit is not None:
        raise AssertionError(str(run.misfit))
    try:
        run.check_complete()
    except NonDeterminismError as error:
        raise AssertionError(str(error)) from None
    if is_final and not ended:
        last = run.branches.all[0].done[-1:]
        raise AssertionError(
            f"workflow {recorded.workflow_id} had ended as {recorded.status}, and the code does more than is "
            f"recorded: {last[0][0] if last else 'it waits'} {last[0][1] if last else ''}".rstrip()
        )


def _run(invocation: DistributedInvocation[..., Any]) -> bool:
    """Run the body; return whether it came to an end of its own, and not to that of its history."""
    tokens = current_invocation.set(invocation), current_interruption.set(Interruption())
    try:
        run_function(invocation.task, invocation.kwargs)
    except (EndOfHistory, Parked):
        return False
    except Exception:  # noqa: BLE001 - a workflow that failed then fails now
        return _came_to_its_end(invocation)
    except asyncio.CancelledError:
        if _came_to_its_end(invocation):
            raise
        return False  # a coroutine is left by its cancelling
    finally:
        current_interruption.reset(tokens[1])
        current_invocation.reset(tokens[0])
    return _came_to_its_end(invocation)


def _came_to_its_end(invocation: DistributedInvocation[..., Any]) -> bool:
    return invocation.body_record is not None and invocation.body_record.parking is None


class _Replay(UnreachableRuntime):
    """The journal and the runtime of a body that does nothing new.

    Args:
        history: What is recorded.
        values: Reads the recorded values.
    """

    def __init__(self, history: History, values: ValueCodec) -> None:
        self.invocation_id = history.workflow_id
        self.generation = 0
        self._history = history
        self._values = values
        self._steps = [self._step(each) for each in history.steps]
        self._earlier: list[Step] = []

    def _step(self, each: RecordedStep) -> Step:
        key = step_id(self.invocation_id, 0, each.branch, each.index)
        fields = (each.branch, each.index, each.kind, each.name, each.text, each.is_error, each.at)
        return Step(key, self.invocation_id, 0, *fields)

    # --- as a journal --------------------------------------------------------------------

    def load(self) -> tuple[dict[Place, Step], list[Step]]:
        current: dict[Place, Step] = {}
        for step in self._steps:
            path, attempt = path_and_attempt(step.branch)
            if attempt == self._history.attempt:
                current[path, step.index] = self._renamed(step, path)
            elif attempt < self._history.attempt:
                self._earlier.append(step)
        return current, list(self._earlier)

    def _renamed(self, step: Step, path: str) -> Step:
        fields = (path, step.index, step.kind, step.name, step.payload, step.is_error, step.at)
        return Step(step.step_id, step.invocation_id, 0, *fields)

    def check_new(self) -> NoReturn:
        raise EndOfHistory

    def record(self, entry: Entry, shared: Sequence[tuple[str, Any]] = ()) -> Step:
        for step in self._earlier:  # taken over from an attempt before
            if (step.kind, step.name) == (entry.kind, entry.name):
                self._earlier.remove(step)
                path, index = entry.place
                return self._renamed(self._step(RecordedStep(path, index, *_what(step))), path)
        raise EndOfHistory

    def forget(self, places: Sequence[Place], others: Sequence[Step] = ()) -> None:
        """Nothing is forgotten."""

    def value(self, step: Step) -> Any:
        if step.is_error:
            return self._values.unpack_error(step.payload)
        return self._values.read_texts({"value": step.payload})["value"]

    def read_shared(self, name: str) -> tuple[Any] | None:
        raise EndOfHistory

    def events(self, counted: int) -> Sequence[WorkflowEvent]:
        return []

    def now(self) -> float:
        return self._history.exported_at

    # --- as a runtime --------------------------------------------------------------------

    def start(self, task: Any, args: Any, kwargs: Any, invocation_id: str) -> Any:
        raise EndOfHistory

    def handle(self, task: Any, args: Any, kwargs: Any, invocation_id: str) -> Any:
        base = task.base_task
        identity = WorkflowIdentity(self.invocation_id, self._history.task, None)
        bound = base.binder.bind(tuple(args), dict(kwargs))
        handle = _Child(invocation_id, base, bound, identity)
        child = self._history.children.get(invocation_id)
        if child is not None:
            state = InvocationState(invocation_id, base.key, InvocationStatus(child.status))
            handle.settle(state, self._outcome(child, state))
        return handle

    def _outcome(self, child: RecordedChild, state: InvocationState) -> Any:
        if child.text is None:
            return RaisedError(without_outcome(state))
        if child.is_error:
            return RaisedError(self._values.unpack_error(child.text))
        return self._values.read_texts({"value": child.text})["value"]

    def continue_with(self, args: Any, kwargs: Any, used_events: Sequence[str]) -> None:
        raise EndOfHistory

    def send(self, invocation_id: str, code: str, payload: Mapping[str, Any] | None, event_id: str) -> str:
        raise EndOfHistory

    def ended(self, invocation_ids: Sequence[str]) -> set[str]:
        return {each for each in invocation_ids if each in self._history.children}

    def waiting(self, invocation_ids: Sequence[str]) -> AbstractContextManager[object]:
        raise EndOfHistory


def _what(step: Step) -> tuple[str, str, str, int, float]:
    return step.kind, step.name, step.payload, step.is_error, step.at


class _Child(DistributedInvocation[..., Any]):
    """A handle on a child whose end is recorded, or behind the end of the history."""

    __slots__ = ()

    def _ended(self) -> None:
        if not self.is_settled:
            raise EndOfHistory

    @property
    def status(self) -> InvocationStatus:
        self._ended()
        return super().status

    def wait(self, timeout_s: float | None = None) -> Any:
        self._ended()
        return self._value()

    async def async_result(self, timeout_s: float | None = None) -> Any:
        return self.wait()

    def cancel(self, children: bool = False) -> NoReturn:
        raise EndOfHistory

    def settle_all(
        self, members: Sequence[BaseInvocation[..., Any]], timeout_s: float | None
    ) -> Iterator[list[BaseInvocation[..., Any]]]:
        raise EndOfHistory

    def settle_all_async(
        self, members: Sequence[BaseInvocation[..., Any]], timeout_s: float | None
    ) -> AsyncIterator[list[BaseInvocation[..., Any]]]:
        raise EndOfHistory
