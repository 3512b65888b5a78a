"""Invocations that runners execute."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from pynenc.calls.interfaces import BaseInvocation, BaseInvocationGroup, Call
from pynenc.context import get_current_runner
from pynenc.invocation.state import HistoryEntry, InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.invocation.workflow_identity import WorkflowIdentity
from pynenc.lifecycle.cancellation import cancel
from pynenc.lifecycle.waiting import Ended, RaisedError, load_results, read_states
from pynenc.types import Params, Result

if TYPE_CHECKING:
    from pynenc.app import Pynenc


class DistributedInvocation(BaseInvocation[Params, Result]):
    """A handle on an invocation that some runner executes."""

    def __init__(
        self,
        invocation_id: str,
        call: Call[Params, Result],
        workflow: WorkflowIdentity,
        state: InvocationState | None = None,
    ) -> None:
        super().__init__(invocation_id, call, workflow)
        self._state = state
        self._read_at = time.monotonic() if state is not None else 0.0
        self._outcome: tuple[Any] | None = None
        self.claimed: InvocationState | None = None
        """The record under which its body runs here."""

    @property
    def app(self) -> Pynenc:
        """The app of the task."""
        return self.task.app

    # --- state -------------------------------------------------------------------------

    def _current_state(self) -> InvocationState:
        """The record, read again unless it is final or was read a moment ago."""
        state = self._state
        age = time.monotonic() - self._read_at
        if state is None or (not state.status.is_final() and age >= self.app.conf.cached_status_time):
            (state,) = read_states(self.app.components, [self.invocation_id])
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
        """What it is parked for, in words; None if it is not parked."""
        state = self._current_state()
        return state.waits_for if state.is_parked else None

    @property
    def history(self) -> list[HistoryEntry]:
        """Every status that it had, oldest first."""
        return self.app.orchestrator.history(self.invocation_id)

    def cancel(self) -> None:
        cancel(self.app.components, [self.invocation_id], get_current_runner().runner_id)
        self._read_at = float("-inf")  # what was known may be out of date

    # --- results -----------------------------------------------------------------------

    @property
    def result(self) -> Result:
        return self.wait()

    def wait(self, timeout_s: float | None = None) -> Result:
        """The result, like `result`.

        Args:
            timeout_s: Longest wait, in seconds.

        Raises:
            TimeoutError: It has not ended in time; it goes on all the same.
        """
        if self._outcome is None:
            for ended in self.app.wait_final([self.invocation_id], timeout_s):
                _settle([self], ended)
        return self._value()

    async def async_result(self) -> Result:
        if self._outcome is None:
            async for ended in self.app.wait_final_async([self.invocation_id]):
                _settle([self], ended)
        return self._value()

    def _value(self) -> Result:
        if self._outcome is None:
            raise RuntimeError(f"invocation {self.invocation_id} has not ended")
        (value,) = self._outcome
        if isinstance(value, RaisedError):
            raise value.error
        return cast(Result, value)

    def settle(self, state: InvocationState, value: Any) -> None:
        """Note how it ended."""
        self._note(state)
        self._outcome = (value,)

    @property
    def error(self) -> BaseException | None:
        """What it raised, if it is known here that it failed."""
        value = self._outcome[0] if self._outcome is not None else None
        return value.error if isinstance(value, RaisedError) else None

    @property
    def is_settled(self) -> bool:
        """Whether its end is known here."""
        return self._outcome is not None

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.app, self.invocation_id)


def _settle(invocations: Sequence[DistributedInvocation[Params, Result]], ended: Sequence[Ended]) -> None:
    """Load what came of those that have ended."""
    by_id: dict[str, list[DistributedInvocation[Params, Result]]] = {}
    for invocation in invocations:
        by_id.setdefault(invocation.invocation_id, []).append(invocation)
    components = invocations[0].app.components
    for each, value in zip(ended, load_results(components, ended), strict=True):
        for invocation in by_id.get(each.state.invocation_id, ()):
            invocation.settle(each.state, value)


def _restore(app: Pynenc, invocation_id: str) -> DistributedInvocation[..., Any]:
    return app.get_invocation(invocation_id)


class DistributedInvocationGroup(BaseInvocationGroup[Params, Result]):
    """Invocations that runners execute."""

    invocations: list[DistributedInvocation[Params, Result]]  # type: ignore[assignment]

    def _waiting(self) -> list[str]:
        return [each.invocation_id for each in self.invocations if not each.is_settled]

    @property
    def results(self) -> Iterator[Result]:
        at = 0
        waiting = self._waiting()
        if waiting:
            for ended in self.task.app.wait_final(waiting):
                _settle(self.invocations, ended)
                while at < len(self.invocations) and self.invocations[at].is_settled:
                    yield self.invocations[at].result
                    at += 1
        for invocation in self.invocations[at:]:
            yield invocation.result

    def as_completed(self) -> Iterator[DistributedInvocation[Params, Result]]:
        """The invocations in the order in which they end."""
        done = [each for each in self.invocations if each.is_settled]
        yield from done
        waiting = self._waiting()
        if not waiting:
            return
        by_id = {each.invocation_id: each for each in self.invocations}
        for ended in self.task.app.wait_final(waiting):
            _settle(self.invocations, ended)
            for each in ended:
                yield by_id[each.state.invocation_id]

    async def async_results(self) -> AsyncIterator[Result]:
        at = 0
        waiting = self._waiting()
        if waiting:
            async for ended in self.task.app.wait_final_async(waiting):
                _settle(self.invocations, ended)
                while at < len(self.invocations) and self.invocations[at].is_settled:
                    yield self.invocations[at].result
                    at += 1
        for invocation in self.invocations[at:]:
            yield invocation.result


class ReusedInvocation(DistributedInvocation[Params, Result]):
    """An existing invocation, returned in place of a new one.

    Attributes:
        different_arguments: Names of the arguments in which the new call differs from the one
            that is waiting. The invocation runs with those of the waiting one.
    """

    def __init__(
        self,
        invocation_id: str,
        call: Call[Params, Result],
        workflow: WorkflowIdentity,
        state: InvocationState,
        different_arguments: tuple[str, ...],
    ) -> None:
        super().__init__(invocation_id, call, workflow, state)
        self.different_arguments = different_arguments
