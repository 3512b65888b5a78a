"""Finding invocations of an app and waiting for them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from pynenc.calls.arguments import Arguments
from pynenc.calls.interfaces import Call, current_invocation
from pynenc.client.dist_invocation import DistributedInvocation
from pynenc.client.waiting import _REMIND_AFTER_S, _plain, body_of, waiting_body
from pynenc.client.workflow_runtime import send_event
from pynenc.conf.config_runner import ConfigRunner
from pynenc.context import running_runner
from pynenc.exceptions import InvocationNotFoundError
from pynenc.identifiers.task_id import TaskId
from pynenc.invocation.data import InvocationData
from pynenc.invocation.state import InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.invocation.workflow_identity import WorkflowIdentity
from pynenc.lifecycle.waiting import Ended, wait_final, wait_final_async
from pynenc.storage.operations import Cursor
from pynenc.task import Task

if TYPE_CHECKING:
    import logging

    from pynenc.app import Pynenc
    from pynenc.conf.config_pynenc import ConfigPynenc
    from pynenc.conf.loader import SettingsLoader
    from pynenc.lifecycle.components import Components
    from pynenc.orchestrator.base_orchestrator import BaseOrchestrator
    from pynenc.state_backend.base_state_backend import BaseStateBackend
    from pynenc.workflow.context import WorkflowContext

AnyInvocation = DistributedInvocation[..., Any]
_PAGE = 200


class InvocationFinder:
    """The part of the app that gives handles on invocations."""

    if TYPE_CHECKING:
        settings_loader: SettingsLoader

        @property
        def app_id(self) -> str: ...
        @property
        def conf(self) -> ConfigPynenc: ...
        @property
        def logger(self) -> logging.Logger: ...
        @property
        def components(self) -> Components: ...
        @property
        def orchestrator(self) -> BaseOrchestrator: ...
        @property
        def state_backend(self) -> BaseStateBackend: ...
        def find_task(self, task_id: TaskId) -> Task[..., Any]: ...

    def get_invocation(self, invocation_id: str) -> AnyInvocation:
        """A handle on an invocation, from its id.

        Raises:
            InvocationNotFoundError: No invocation with this id is stored.
            TaskNotFoundError: Its task cannot be imported here.
        """
        (data,) = self.state_backend.read_invocations([invocation_id])
        if data is None:
            raise InvocationNotFoundError(invocation_id)
        return self._handles([data], [None])[0]

    def find_invocations(
        self,
        task: Task[..., Any] | TaskId | str | None = None,
        statuses: Iterable[InvocationStatus | str] | InvocationStatus | str | None = None,
        since: datetime | float | None = None,
        limit: int = 100,
    ) -> list[AnyInvocation]:
        """Handles on invocations, newest first.

        Args:
            task: Only those of this task.
            statuses: Only those with one of these statuses.
            since: Only those made at this time or later (aware, or seconds since the epoch).
            limit: Most to return.

        Raises:
            ValueError: There is no such status.
        """
        chosen = self.find_records(task, statuses, since, limit)
        return self._handles([data for data, _ in chosen], [state for _, state in chosen])

    def find_records(
        self,
        task: Task[..., Any] | TaskId | str | None = None,
        statuses: Iterable[InvocationStatus | str] | InvocationStatus | str | None = None,
        since: datetime | float | None = None,
        limit: int = 100,
        only_workflows: bool = False,
    ) -> list[tuple[InvocationData, InvocationState]]:
        """Like `find_invocations`, but what is stored: the tasks need not be importable here.

        With `only_workflows` it gives those that began a workflow by `@app.workflow` or
        `force_new_workflow`.
        """
        start = since.timestamp() if isinstance(since, datetime) else since
        key = _task_key(task)
        wanted = _status_set(statuses)
        found: list[tuple[InvocationData, InvocationState]] = []
        after: Cursor | None = None
        while len(found) < limit:
            page = self.state_backend.find_invocations(key, start, None, _PAGE, after)
            states = self.orchestrator.read([data.invocation_id for data in page])
            for data, state in zip(page, states, strict=True):
                if state is None or (only_workflows and not state.is_workflow):
                    continue
                if wanted is None or state.status in wanted:
                    found.append((data, state))
            if len(page) < _PAGE:
                break
            after = Cursor(page[-1].created_at, page[-1].invocation_id)
        return found[:limit]

    def _handles(
        self, data: Sequence[InvocationData], states: Sequence[InvocationState | None]
    ) -> list[AnyInvocation]:
        arguments = self.components.values.unpack_arguments([each.arguments for each in data])
        return [
            DistributedInvocation(
                each.invocation_id,
                Call(self.find_task(TaskId.from_key(each.task_id)), Arguments(kwargs)),
                WorkflowIdentity.of(each),
                state,
            )
            for each, kwargs, state in zip(data, arguments, states, strict=True)
        ]

    # --- waiting -----------------------------------------------------------------------

    def _first_look(self) -> float:
        return self.settings_loader.load(ConfigRunner).invocation_wait_results_sleep_time_sec

    def wait_final(
        self, invocation_ids: Sequence[str], timeout_s: float | None = None
    ) -> Iterator[list[Ended]]:
        """Block until invocations end; gives their records in batches as they do.

        After some time in which nothing ended and no runner is alive, a warning says so.

        Raises:
            TimeoutError: Some have not ended in time.
            InvocationNotFoundError: One is not known.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        body = body_of(current_invocation.get())
        remind = _REMIND_AFTER_S if body is None else body.first_look_s
        waiting = list(invocation_ids)
        blocked = self._blocked()
        while waiting:
            remaining = None if deadline is None else max(0.0, deadline - time.monotonic())
            patience = remind if remaining is None else min(remind, remaining)
            try:
                for ended in self._waited(waiting, patience, blocked, body):
                    done = {each.state.invocation_id for each in ended}
                    waiting = [each for each in waiting if each not in done]
                    yield ended
            except TimeoutError:
                if deadline is not None and time.monotonic() >= deadline:
                    raise TimeoutError(
                        f"{len(waiting)} invocation(s) of app '{self.app_id}' have not ended in {timeout_s} s"
                    ) from None
                if body is not None:
                    body.park_for(waiting)
                if remind >= _REMIND_AFTER_S:
                    self._remind(len(waiting))
                remind *= 2

    def _waited(
        self,
        waiting: Sequence[str],
        patience: float,
        blocked: Callable[[Sequence[str]], AbstractContextManager[None]],
        body: WorkflowContext | None,
    ) -> Iterator[list[Ended]]:
        with waiting_body(body, waiting):
            yield from wait_final(self.components, waiting, self._first_look(), patience, blocked)

    def _blocked(self) -> Callable[[Sequence[str]], AbstractContextManager[None]]:
        """What to enter while a wait blocks: inside a runner of this app it gives up the slot."""
        running = running_runner.get()
        return running.waiting if running is not None and running.app is self else _plain

    def _remind(self, waiting: int) -> None:
        alive_since = self.orchestrator.now() - self.conf.dead_after_seconds
        if not self.orchestrator.live_runners(alive_since, 1):
            self.logger.warning(
                "waiting for %d invocation(s), but no runner of app '%s' is alive: start one with "
                "'pynenc --app <module>.<app> runner start'",
                waiting,
                self.app_id,
            )

    async def wait_final_async(self, invocation_ids: Sequence[str]) -> AsyncIterator[list[Ended]]:
        """Like `wait_final`, without blocking the event loop."""
        body = body_of(current_invocation.get())
        with waiting_body(body, invocation_ids, is_coroutine=True):
            ends = wait_final_async(self.components, invocation_ids, self._first_look(), self._blocked())
            async for ended in ends:
                yield ended

    # --- workflows ---------------------------------------------------------------------

    def send_event(
        self,
        invocation_id: str,
        code: str,
        payload: Mapping[str, Any] | None = None,
        event_id: str | None = None,
    ) -> str:
        """Send an event to an invocation; `task.wf.wait_event` in its body gives it.

        See `pynenc.client.workflow_runtime.send_event`.
        """
        return send_event(cast("Pynenc", self), invocation_id, code, payload, event_id)

    def workflow_data(self, workflow_id: str) -> dict[str, Any]:
        """The values that the invocations of a workflow share, by name."""
        found = self.state_backend.find_values(workflow_id)
        values = self.components.values.unpack_results([each.payload for each in found])
        return {each.name: value for each, value in zip(found, values, strict=True)}

    def find_workflows(
        self,
        workflow_type: Task[..., Any] | TaskId | str | None = None,
        statuses: Iterable[InvocationStatus | str] | InvocationStatus | str | None = None,
        since: datetime | float | None = None,
        limit: int = 100,
    ) -> list[AnyInvocation]:
        """Handles on the roots of workflows, newest first; parameters as of `find_invocations`."""
        chosen = self.find_records(workflow_type, statuses, since, limit, only_workflows=True)
        return self._handles([data for data, _ in chosen], [state for _, state in chosen])


def _task_key(task: Task[..., Any] | TaskId | str | None) -> str | None:
    if task is None or isinstance(task, str):
        return task
    return task.key if isinstance(task, TaskId) else task.task_id.key


def _status_set(
    statuses: Iterable[InvocationStatus | str] | InvocationStatus | str | None,
) -> frozenset[InvocationStatus] | None:
    if statuses is None:
        return None
    given = [statuses] if isinstance(statuses, str) else list(statuses)
    return frozenset(InvocationStatus(each.lower()) for each in given)
