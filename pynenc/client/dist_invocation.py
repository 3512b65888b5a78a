"""Handles on invocations that runners execute."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, cast

from pynenc.calls.call_options import check_timeout
from pynenc.calls.interfaces import App, BaseInvocation, BaseTask, InvocationGroup
from pynenc.calls.reporting import outside_of_body
from pynenc.client.waiting import wait_ended, wait_ended_async
from pynenc.context import get_current_runner
from pynenc.exceptions import InvocationNotFoundError
from pynenc.invocation.progress import Progress
from pynenc.invocation.state import HistoryEntry, InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.invocation.workflow_identity import WorkflowIdentity
from pynenc.lifecycle.cancellation import cancel
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.waiting import Ended, RaisedError, load_results, read_states
from pynenc.storage.beside_loop import beside_loop
from pynenc.types import Params, Result


class DistributedInvocation(BaseInvocation[Params, Result]):
    """A handle on an invocation that some runner executes.

    Attributes:
        claimed: The record under which its body runs here, if it does.
    """

    __slots__ = ("_outcome", "_read_at", "_state", "claimed")

    def __init__(
        self,
        invocation_id: str,
        task: BaseTask[Params, Result],
        arguments: dict[str, Any],
        workflow: WorkflowIdentity,
        state: InvocationState | None = None,
    ) -> None:
        self.invocation_id = invocation_id
        self.task = task
        self.workflow = workflow
        self.body_record = None
        self.kwargs = arguments
        self._state = state
        self._read_at = time.monotonic() if state is not None else 0.0
        self._outcome: tuple[Any] | None = None
        self.claimed: InvocationState | None = None

    @property
    def app(self) -> App:
        """The app of the task."""
        return self.task.app

    def __getattr__(self, name: str) -> Any:
        """Read the arguments from the storage where the handle does not keep them."""
        if name != "kwargs":
            return self._missing(name)
        (data,) = self._components.state_backend.read_invocations([self.invocation_id])
        if data is None:
            raise InvocationNotFoundError(self.invocation_id)
        (self.kwargs,) = self._components.values.unpack_arguments([data.arguments])
        return self.kwargs

    def _packed_headers(self) -> str | None:
        (data,) = self._components.state_backend.read_invocations([self.invocation_id])
        if data is None:
            raise InvocationNotFoundError(self.invocation_id)
        return data.headers

    def forget_arguments(self) -> None:
        """Keep the arguments no longer; they are read when they are asked for."""
        del self.kwargs

    @property
    def _components(self) -> Components:
        return self.task.app.components

    # --- state -------------------------------------------------------------------------

    def _current_state(self) -> InvocationState:
        """Return the record, read again unless it is final or was read a moment ago."""
        state = self._state
        age = time.monotonic() - self._read_at
        if state is None or (not state.status.final and age >= self.app.conf.cached_status_time):
            (state,) = read_states(self._components, [self.invocation_id])
            self._note(state)
        return state

    def _note(self, state: InvocationState) -> None:
        self._state = state
        self._read_at = time.monotonic()

    @property
    def status(self) -> InvocationStatus:
        return self._current_state().status

    @property
    def num_retries(self) -> int:
        return self._current_state().retries

    @property
    def waits_for(self) -> str | None:
        state = self._current_state()
        return state.waits_for if state.is_parked else None

    @property
    def history(self) -> list[HistoryEntry]:
        return self._components.orchestrator.history(self.invocation_id)

    @property
    def children(self) -> list[BaseInvocation[..., Any]]:
        return self.app.find_children(self.invocation_id)

    @property
    def parent(self) -> BaseInvocation[..., Any] | None:
        return self.app.find_parent(self.invocation_id)

    def _latest_progress(self) -> Progress | None:
        return self._components.progress.latest(self._current_state())

    def _report(self, report: Progress) -> None:
        if self.claimed is None:
            raise outside_of_body(self.invocation_id)
        if self.body_record is not None and self.body_record.is_replaying:
            return  # it has told that before, and perhaps more since
        self._components.progress.leave(self.invocation_id, self.claimed.claim, report)

    def retry(self, from_step: str | None = None) -> BaseInvocation[Params, Result]:
        return cast(
            "BaseInvocation[Params, Result]", self.app.retry_invocation(self.invocation_id, from_step)
        )

    @property
    def error(self) -> BaseException | None:
        if self._outcome is None:
            try:
                state = self._current_state()
            except InvocationNotFoundError as lost:
                self.lose(lost)
                return lost
            if not state.status.final or state.status == InvocationStatus.SUCCESS:
                return None
            self.settle(state, load_results(self._components, [Ended(state)])[0])
        value = self._outcome[0] if self._outcome is not None else None
        return value.error if isinstance(value, RaisedError) else None

    def cancel(self, children: bool = False) -> None:
        cancel(self._components, [self.invocation_id], get_current_runner().runner_id, children)
        self.expire()

    def expire(self) -> None:
        """Read the record anew when it is asked for next: what is known may be out of date."""
        self._read_at = float("-inf")

    def cancel_all(self, members: Sequence[BaseInvocation[Params, Result]], children: bool) -> None:
        states = self._components.orchestrator.read_states(_ids(members))
        known = [state.invocation_id for state in states if state is not None]
        if known:
            cancel(self._components, known, get_current_runner().runner_id, children)
        for each in members:
            if isinstance(each, DistributedInvocation):
                each.expire()

    # --- results -----------------------------------------------------------------------

    def wait(self, timeout_s: float | None = None) -> Result:
        if timeout_s is not None:
            check_timeout(timeout_s)
        if self._outcome is None:
            state = self._state
            if state is not None and state.status.final:
                self.settle(state, load_results(self._components, [Ended(state)])[0])
            else:
                components = self.task.app.components
                for ended in wait_ended(components, [self.invocation_id], timeout_s):
                    self.settle(ended[0].state, load_results(components, ended)[0])
        return self._value()

    async def async_result(self, timeout_s: float | None = None) -> Result:
        check_timeout(timeout_s)
        if self._outcome is None:
            async for ended in wait_ended_async(self._components, [self.invocation_id], timeout_s):
                await _settle_beside_loop([self], ended)
        return self._value()

    def _value(self) -> Result:
        if self._outcome is None:
            raise RuntimeError(f"invocation {self.invocation_id} has not ended")
        (value,) = self._outcome
        if isinstance(value, RaisedError):
            raise value.error
        return cast(Result, value)

    def settle(self, state: InvocationState, value: Any) -> None:
        """Note how the invocation ended."""
        self._state = state
        self._outcome = (value,)

    def lose(self, error: InvocationNotFoundError) -> None:
        """Note that the invocation is not stored any more."""
        self._outcome = (RaisedError(error),)

    @property
    def is_settled(self) -> bool:
        return self._outcome is not None

    def settle_all(
        self, members: Sequence[BaseInvocation[Params, Result]], timeout_s: float | None
    ) -> Iterator[list[BaseInvocation[Params, Result]]]:
        waiting, deadline = _ids(members), _deadline(timeout_s)
        while waiting:
            try:
                for ended in wait_ended(self._components, waiting, _remaining(deadline, timeout_s)):
                    done = {each.state.invocation_id for each in ended}
                    waiting = [each for each in waiting if each not in done]
                    yield _settle(members, ended)
            except InvocationNotFoundError as error:
                waiting = [each for each in waiting if each != error.invocation_id]
                yield _lose(members, error)

    async def settle_all_async(
        self, members: Sequence[BaseInvocation[Params, Result]], timeout_s: float | None
    ) -> AsyncIterator[list[BaseInvocation[Params, Result]]]:
        waiting, deadline = _ids(members), _deadline(timeout_s)
        while waiting:
            try:
                remaining = _remaining(deadline, timeout_s)
                async for ended in wait_ended_async(self._components, waiting, remaining):
                    done = {each.state.invocation_id for each in ended}
                    waiting = [each for each in waiting if each not in done]
                    yield await _settle_beside_loop(members, ended)
            except InvocationNotFoundError as error:
                waiting = [each for each in waiting if each != error.invocation_id]
                yield _lose(members, error)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.app, self.invocation_id)


def _ids(members: Sequence[BaseInvocation[Params, Result]]) -> list[str]:
    return list(dict.fromkeys(each.invocation_id for each in members))


def _deadline(timeout_s: float | None) -> float | None:
    check_timeout(timeout_s)
    return None if timeout_s is None else time.monotonic() + timeout_s


def _remaining(deadline: float | None, timeout_s: float | None) -> float | None:
    """Return the rest of a timeout; all of it at the beginning, so that messages name what was given."""
    if deadline is None or timeout_s is None:
        return None
    rest = max(0.0, deadline - time.monotonic())
    return timeout_s if timeout_s - rest < 0.001 else rest


def _lose(
    members: Sequence[BaseInvocation[Params, Result]], error: InvocationNotFoundError
) -> list[BaseInvocation[Params, Result]]:
    """Note that an invocation is not stored any more, and return its handles."""
    lost = [each for each in members if each.invocation_id == error.invocation_id]
    for each in lost:
        if isinstance(each, DistributedInvocation):
            each.lose(error)
    return lost


def _settle(
    members: Sequence[BaseInvocation[Params, Result]], ended: Sequence[Ended]
) -> list[BaseInvocation[Params, Result]]:
    """Load what came of those that have ended, and return their handles."""
    by_id: dict[str, list[DistributedInvocation[Params, Result]]] = {}
    for member in members:
        if isinstance(member, DistributedInvocation):
            by_id.setdefault(member.invocation_id, []).append(member)
    settled: list[BaseInvocation[Params, Result]] = []
    values = load_results(members[0].task.app.components, ended)
    for each, value in zip(ended, values, strict=True):
        for invocation in by_id.get(each.state.invocation_id, ()):
            invocation.settle(each.state, value)
            settled.append(invocation)
    return settled


async def _settle_beside_loop(
    members: Sequence[BaseInvocation[Params, Result]], ended: Sequence[Ended]
) -> list[BaseInvocation[Params, Result]]:
    return await beside_loop(lambda: _settle(members, ended))


def _restore(app: App, invocation_id: str) -> BaseInvocation[..., Any]:
    return app.get_invocation(invocation_id)


class ReusedInvocation(DistributedInvocation[Params, Result]):
    """An existing invocation, returned in place of a new one because an earlier call stands for it.

    Attributes:
        different_arguments: Names of the arguments in which the new call differs from the existing
            one. The invocation runs with those of the existing one, which `kwargs` shows.
        refused_arguments: The values of these arguments in the new call, by name.
    """

    __slots__ = ("different_arguments", "refused_arguments")

    def __init__(
        self,
        invocation_id: str,
        task: BaseTask[Params, Result],
        arguments: dict[str, Any],
        workflow: WorkflowIdentity,
        state: InvocationState,
        refused_arguments: dict[str, Any],
    ) -> None:
        super().__init__(invocation_id, task, arguments, workflow, state)
        self.different_arguments = tuple(sorted(refused_arguments))
        self.refused_arguments = refused_arguments


DistributedInvocationGroup = InvocationGroup
"""The name of a group of distributed invocations in other versions of this API."""
