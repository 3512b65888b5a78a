"""Finding the invocations of an app."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from pynenc.calls.inline_records import KEPT, InlineRecords
from pynenc.calls.interfaces import AnyInvocation, BaseTask
from pynenc.client.dist_invocation import DistributedInvocation
from pynenc.client.workflow_names import latest_of, resolved
from pynenc.conf.config_pynenc import ConfigPynenc
from pynenc.exceptions import InvocationNotFoundError
from pynenc.identifiers.task_id import TaskId
from pynenc.invocation.data import InvocationData
from pynenc.invocation.state import InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.invocation.workflow_identity import WorkflowIdentity
from pynenc.lifecycle.components import Components
from pynenc.state_backend.base_state_backend import INVOCATION
from pynenc.storage.operations import Cursor
from pynenc.storage.records import why_unreadable
from pynenc.workflow.updates import INTERNAL

TaskFilter = BaseTask[..., Any] | TaskId | str | None
StatusFilter = Iterable[InvocationStatus | str] | InvocationStatus | str | None

_PAGE = 200


class InvocationFinder:
    """Gives handles on the invocations of one app.

    Args:
        conf: Returns the settings of the app.
        components: Returns its components.
        find_task: Returns a task by its stored key.
        inline: The invocations that ran inline.
    """

    def __init__(
        self,
        conf: Callable[[], ConfigPynenc],
        components: Callable[[], Components],
        find_task: Callable[[str], BaseTask[..., Any]],
        inline: InlineRecords,
    ) -> None:
        self._conf = conf
        self._components = components
        self._find_task = find_task
        self._inline = inline

    def get_invocation(self, invocation_id: str) -> AnyInvocation:
        """Return a handle on an invocation; see `Pynenc.get_invocation`."""
        if self._conf().dev_mode_force_sync_tasks:
            found: AnyInvocation | None = self._inline.find(invocation_id)
            if found is not None:
                return found
        components = self._components()
        (data,) = components.state_backend.read_invocations([invocation_id])
        if data is None or data.workflow_id == invocation_id:  # it may be the name of several
            (state,) = components.orchestrator.read_states([invocation_id])
            found_id = latest_of(components, invocation_id, state)
            if found_id != invocation_id:
                (data,) = components.state_backend.read_invocations([found_id])
        if data is None:
            raise InvocationNotFoundError(invocation_id, why_unreadable(INVOCATION, invocation_id))
        return self._handles([data], [None])[0]

    def find_children(self, invocation_id: str) -> list[AnyInvocation]:
        """Return handles on what the body of an invocation has submitted, oldest first."""
        pages = self._components().state_backend.pages_of_children(invocation_id)
        found = [data for page in pages for data in page]
        return self._handles(found, [None] * len(found))

    def find_parent(self, invocation_id: str) -> AnyInvocation | None:
        """Return a handle on the invocation whose body submitted one; None if there is none any more."""
        (data,) = self._components().state_backend.read_invocations([invocation_id])
        if data is None or data.parent_invocation_id is None:
            return None
        (parent,) = self._components().state_backend.read_invocations([data.parent_invocation_id])
        return None if parent is None else self._handles([parent], [None])[0]

    def count(
        self,
        task: TaskFilter = None,
        statuses: StatusFilter = None,
        since: datetime | float | None = None,
    ) -> int:
        """Return how many invocations there are; see `Pynenc.count`."""
        if self._conf().dev_mode_force_sync_tasks:
            return len(self._find_inline(task, statuses, since, KEPT, False))
        components, wanted = self._components(), _status_set(statuses)
        if task is None and since is None and wanted is not None:
            return sum(components.orchestrator.count_states(status) for status in wanted)
        if wanted is None:
            start = since.timestamp() if isinstance(since, datetime) else since
            return components.state_backend.count_invocations(_task_key(task), start)
        return len(self.find_records(task, statuses, since, sys.maxsize))

    def find_invocations(
        self,
        task: TaskFilter = None,
        statuses: StatusFilter = None,
        since: datetime | float | None = None,
        limit: int = 100,
        only_workflows: bool = False,
    ) -> list[AnyInvocation]:
        """Return handles on invocations, newest first; see `Pynenc.find_invocations`."""
        if self._conf().dev_mode_force_sync_tasks:
            return self._find_inline(task, statuses, since, limit, only_workflows)
        chosen = self.find_records(task, statuses, since, limit, only_workflows)
        return self._handles([data for data, _ in chosen], [state for _, state in chosen])

    def find_records(
        self,
        task: TaskFilter = None,
        statuses: StatusFilter = None,
        since: datetime | float | None = None,
        limit: int = 100,
        only_workflows: bool = False,
        code_version: str | None = None,
    ) -> list[tuple[InvocationData, InvocationState]]:
        """Return what is stored of invocations, newest first; see `Pynenc.find_records`."""
        components = self._components()
        start = since.timestamp() if isinstance(since, datetime) else since
        key = _task_key(task)
        wanted = _status_set(statuses)
        found: list[tuple[InvocationData, InvocationState]] = []
        after: Cursor | None = None
        while len(found) < limit:
            page = components.state_backend.find_invocations(key, start, None, _PAGE, after)
            states = components.orchestrator.read_states([data.invocation_id for data in page])
            for data, state in zip(page, states, strict=True):
                if state is None or (only_workflows and not state.is_workflow):
                    continue
                if code_version is not None and state.code_version != code_version:
                    continue
                if wanted is None or state.status in wanted:
                    found.append((data, state))
            if len(page) < _PAGE:
                break
            after = Cursor(page[-1].created_at, page[-1].invocation_id)
        return found[:limit]

    def workflow_data(self, workflow_id: str) -> dict[str, Any]:
        """Return the values that the invocations of a workflow share, by name."""
        if self._conf().dev_mode_force_sync_tasks:
            return dict(self._inline.values(workflow_id))
        components = self._components()
        stored = components.state_backend.find_values(resolved(components, workflow_id))
        found = [each for each in stored if not each.name.startswith(INTERNAL)]
        values = components.values.unpack_results([each.payload for each in found])
        return {each.name: value for each, value in zip(found, values, strict=True)}

    def _handles(
        self, data: Sequence[InvocationData], states: Sequence[InvocationState | None]
    ) -> list[AnyInvocation]:
        arguments = self._components().values.unpack_arguments([each.arguments for each in data])
        return [
            DistributedInvocation(
                each.invocation_id, self._find_task(each.task_id), kwargs, WorkflowIdentity.of(each), state
            )
            for each, kwargs, state in zip(data, arguments, states, strict=True)
        ]

    def _find_inline(
        self,
        task: TaskFilter,
        statuses: StatusFilter,
        since: datetime | float | None,
        limit: int,
        only_workflows: bool,
    ) -> list[AnyInvocation]:
        start = since.timestamp() if isinstance(since, datetime) else since
        key, wanted = _task_key(task), _status_set(statuses)
        handles: list[AnyInvocation] = self._inline.latest()
        return [
            each
            for each in handles
            if (key is None or each.task.task_id.key == key)
            and (wanted is None or each.status in wanted)
            and (start is None or each.history[0].timestamp.timestamp() >= start)
            and (not only_workflows or each.task.conf.force_new_workflow)
        ][:limit]


def _task_key(task: TaskFilter) -> str | None:
    if task is None or isinstance(task, str):
        return task
    return task.key if isinstance(task, TaskId) else task.task_id.key


def _status_set(statuses: StatusFilter) -> frozenset[InvocationStatus] | None:
    if statuses is None:
        return None
    given = [statuses] if isinstance(statuses, str) else list(statuses)
    return frozenset(InvocationStatus(each.lower()) for each in given)
