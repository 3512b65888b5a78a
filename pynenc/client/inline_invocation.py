"""Invocations that run where they are called, for development and tests."""

from __future__ import annotations

import contextvars
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, cast

from pynenc.calls.body import run_function
from pynenc.calls.body_record import BodyRecord
from pynenc.calls.call_options import check_timeout
from pynenc.calls.interfaces import (
    AnyInvocation,
    BaseInvocation,
    BaseTask,
    InvocationGroup,
    current_invocation,
)
from pynenc.calls.reporting import outside_of_body
from pynenc.calls.retries import next_pause
from pynenc.client.middleware import enter_inline_execution, inline_headers, tell_inline_change
from pynenc.conf.headers import merged_headers
from pynenc.context import current_headers, current_invocation_id, current_task_key
from pynenc.exceptions import RemoteTaskError, WorkflowUsageError
from pynenc.identifiers.ids import new_id
from pynenc.identifiers.texts import error_text, type_name
from pynenc.invocation.progress import Progress
from pynenc.invocation.state import HistoryEntry
from pynenc.invocation.status import InvocationStatus, StatusRecord, change_status, initial_record
from pynenc.invocation.workflow_identity import WorkflowIdentity
from pynenc.types import Params, Result
from pynenc.workflow.journal import TransientJournal
from pynenc.workflow.run import Parked

_RUNNER = "sync"


class ConcurrentInvocation(BaseInvocation[Params, Result]):
    """An invocation that runs in the calling thread as soon as it is made; no runner and no server."""

    __slots__ = (
        "_error",
        "_headers",
        "_history",
        "_parent",
        "_progress",
        "_record",
        "_result",
        "_retries",
        "journal",
        "started",
        "tags",
    )

    def __init__(
        self,
        task: BaseTask[Params, Result],
        arguments: dict[str, Any],
        headers: str | None = None,
        tags: str | None = None,
    ) -> None:
        caller = current_invocation.get()
        self.invocation_id = new_id()
        self.task = task
        self.workflow = WorkflowIdentity.for_new(
            self.invocation_id,
            task.task_id.key,
            caller.workflow if caller is not None else None,
            task.conf.force_new_workflow,
        )
        self.body_record: BodyRecord | None = None
        self.kwargs = arguments
        self._record: StatusRecord = initial_record()
        self._history = [_entry(self._record)]
        self._retries = 0
        self._result: Any = None
        self._error: BaseException | None = None
        self.journal: TransientJournal | None = None
        self.started: list[BaseInvocation[..., Any]] = []
        self._parent = caller
        self.tags = tags
        self._headers = inline_headers(self, merged_headers(current_headers.get(), headers))
        if isinstance(caller, ConcurrentInvocation):
            caller.started.append(self)
        task.app.inline_records.add(self)
        contextvars.copy_context().run(self._run)

    def _become(self, status: InvocationStatus) -> None:
        before, self._record = self._record.status, change_status(self._record, status, _RUNNER)
        self._history.append(_entry(self._record))
        tell_inline_change(self, before, self._record)

    def _run(self) -> None:
        current_invocation.set(cast(AnyInvocation, self))
        current_invocation_id.set(self.invocation_id)
        current_headers.set(self._headers)
        current_task_key.set(self.task.key)
        while True:
            self._become(InvocationStatus.PENDING)
            self._become(InvocationStatus.RUNNING)
            self._progress: Progress | None = None
            around = enter_inline_execution(self)
            try:
                try:
                    self._result = run_function(self.task, self.kwargs)
                except BaseException as error:
                    if around is not None:
                        around.leave(self, error)
                    raise
                if around is not None:
                    around.leave(self, None)
            except Parked:  # inline, that is only to continue as new
                self.journal, self.body_record = None, None
                self._become(InvocationStatus.RETRY)
                continue
            except KeyboardInterrupt as error:
                self._fail(error)
                raise  # the user has pressed Ctrl-C
            except BaseException as error:  # noqa: BLE001 - kept for who asks for the result
                if next_pause(self.task, error, self._retries) is not None:
                    self._retries += 1
                    if self.body_record is not None:
                        self.body_record.forget_failure(error)
                        self.body_record = None
                    self._become(InvocationStatus.RETRY)
                    continue
                self._fail(error if isinstance(error, Exception) else _stand_in(error))
            else:
                self._become(InvocationStatus.SUCCESS)
            return

    def _fail(self, error: BaseException) -> None:
        self._error = error
        self._become(InvocationStatus.FAILED)

    def _packed_headers(self) -> str | None:
        return self._headers

    def continue_with(self, arguments: dict[str, Any]) -> None:
        """Take other arguments for the next run."""
        self.kwargs = arguments

    @property
    def status(self) -> InvocationStatus:
        return self._record.status

    @property
    def num_retries(self) -> int:
        return self._retries

    @property
    def history(self) -> list[HistoryEntry]:
        return list(self._history)

    @property
    def waits_for(self) -> str | None:
        return None

    @property
    def children(self) -> list[BaseInvocation[..., Any]]:
        return list(self.started)

    @property
    def parent(self) -> BaseInvocation[..., Any] | None:
        return self._parent

    def _latest_progress(self) -> Progress | None:
        return self._progress

    def _report(self, report: Progress) -> None:
        if self._record.status != InvocationStatus.RUNNING:
            raise outside_of_body(self.invocation_id)
        self._progress = report

    def retry(self, from_step: str | None = None) -> BaseInvocation[Params, Result]:
        if from_step is not None:
            raise WorkflowUsageError(
                f"invocation {self.invocation_id} ran inline (setting 'dev_mode_force_sync_tasks') and has "
                f"no record to go on from step '{from_step}'"
            )
        return ConcurrentInvocation(self.task, self.kwargs, self._headers, self.tags)

    @property
    def error(self) -> BaseException | None:
        return self._error

    @property
    def is_settled(self) -> bool:
        return self._record.status.final

    def wait(self, timeout_s: float | None = None) -> Result:
        check_timeout(timeout_s)
        if self._error is not None:
            raise self._error
        return cast(Result, self._result)

    async def async_result(self, timeout_s: float | None = None) -> Result:
        return self.wait(timeout_s)

    def cancel(self, children: bool = False) -> None:
        """Do nothing: an inline invocation has ended before the caller gets its handle."""

    def settle_all(
        self, members: Sequence[BaseInvocation[Params, Result]], timeout_s: float | None
    ) -> Iterator[list[BaseInvocation[Params, Result]]]:
        yield list(members)

    async def settle_all_async(
        self, members: Sequence[BaseInvocation[Params, Result]], timeout_s: float | None
    ) -> AsyncIterator[list[BaseInvocation[Params, Result]]]:
        yield list(members)

    def cancel_all(self, members: Sequence[BaseInvocation[Params, Result]], children: bool) -> None:
        """Do nothing: they have all ended."""


def _stand_in(error: BaseException) -> RemoteTaskError:
    """Return what a caller gets in place of an exception that would end it, such as `SystemExit`."""
    stand_in = RemoteTaskError(type_name(type(error)), error_text(error))
    stand_in.__cause__ = error
    return stand_in


def _entry(record: StatusRecord) -> HistoryEntry:
    return HistoryEntry(record.status, record.timestamp, record.runner_id, record.claim)


SynchronousInvocation = ConcurrentInvocation
"""The name of inline invocations in other versions of this API."""

ConcurrentInvocationGroup = InvocationGroup
"""The name of a group of inline invocations."""

SynchronousInvocationGroup = InvocationGroup
"""The name of a group of inline invocations in other versions of this API."""
