"""Invocations that run where they are called, for development and tests."""

from __future__ import annotations

import contextvars
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

from pynenc.calls.arguments import Arguments
from pynenc.calls.body import run_function, wants_retry
from pynenc.calls.interfaces import BaseInvocation, BaseInvocationGroup, Call, current_invocation
from pynenc.context import current_invocation_id
from pynenc.identifiers.ids import new_id
from pynenc.invocation.status import InvocationStatus, StatusRecord, change_status, initial_record
from pynenc.invocation.workflow_identity import WorkflowIdentity
from pynenc.types import Params, Result
from pynenc.workflow.journal import TransientJournal
from pynenc.workflow.run import Parked

_RUNNER = "sync"


class ConcurrentInvocation(BaseInvocation[Params, Result]):
    """Runs in the calling thread as soon as it is made; no runner and no server."""

    def __init__(self, call: Call[Params, Result], caller: WorkflowIdentity | None = None) -> None:
        invocation_id = new_id()
        task = call.task
        workflow = WorkflowIdentity.for_new(
            invocation_id, task.task_id.key, caller, task.conf.force_new_workflow
        )
        super().__init__(invocation_id, call, workflow)
        self._record: StatusRecord = initial_record()
        self._retries = 0
        self._result: Any = None
        self._error: BaseException | None = None
        self.journal: TransientJournal | None = None
        self.children: dict[str, ConcurrentInvocation[..., Any]] = {}
        contextvars.copy_context().run(self._run)

    def _become(self, status: InvocationStatus) -> None:
        self._record = change_status(self._record, status, _RUNNER)

    def _run(self) -> None:
        current_invocation.set(cast("BaseInvocation[..., object]", self))
        current_invocation_id.set(self.invocation_id)
        while True:
            self._become(InvocationStatus.PENDING)
            self._become(InvocationStatus.RUNNING)
            try:
                self._result = run_function(self.task, self.arguments.kwargs)
            except Parked:  # inline, that is only to continue as new
                self.journal, self.body_record = None, None
                self._become(InvocationStatus.RETRY)
                continue
            except Exception as error:  # noqa: BLE001 - kept for who asks for the result
                if wants_retry(self.task, error, self._retries):
                    self._retries += 1
                    if self.body_record is not None:
                        self.body_record.run.forget_failure(error)
                        self.body_record = None
                    self._become(InvocationStatus.RETRY)
                    continue
                self._error = error
                self._become(InvocationStatus.FAILED)
            else:
                self._become(InvocationStatus.SUCCESS)
            return

    def continue_with(self, arguments: Arguments) -> None:
        """Take other arguments for the next run."""
        self.call = Call(self.task, arguments)

    @property
    def error(self) -> BaseException | None:
        """What it raised, if it failed."""
        return self._error

    @property
    def status(self) -> InvocationStatus:
        return self._record.status

    @property
    def num_retries(self) -> int:
        return self._retries

    @property
    def result(self) -> Result:
        if self._error is not None:
            raise self._error
        return cast(Result, self._result)

    async def async_result(self) -> Result:
        return self.result

    def cancel(self) -> None:
        """It has ended already, so nothing is left to cancel."""


class ConcurrentInvocationGroup(BaseInvocationGroup[Params, Result]):
    """Invocations that ran where they were called."""

    @property
    def results(self) -> Iterator[Result]:
        for invocation in self.invocations:
            yield invocation.result

    async def async_results(self) -> AsyncIterator[Result]:
        for invocation in self.invocations:
            yield invocation.result
