"""Finding the invocations of an app."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from pynenc.calls.inline_records import InlineRecords
from pynenc.calls.interfaces import AnyInvocation, BaseTask
from pynenc.client.dist_invocation import DistributedInvocation
from pynenc.client.workflow_names import latest_of, resolved
from pynenc.conf.config_pynenc import ConfigPynenc
from pynenc.exceptions import InvocationNotFoundError
from pynenc.identifiers.task_id import TaskId
from pynenc.identifiers.texts import storable
from pynenc.invocation.data import InvocationData
from pynenc.invocation.state import InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.invocation.workflow_identity import WorkflowIdentity
from pynenc.lifecycle.components import Components
from pynenc.metrics.failures import GroupActivity, failures
from pynenc.metrics.history import Activity, history
from pynenc.search import inline
from pynenc.search.counting import count
from pynenc.search.filters import Filter, names_of
from pynenc.search.page import (
    UNBOUNDED,
    Budget,
    FoundInvocation,
    SearchCount,
    SearchPage,
    time_of,
)
from pynenc.search.query_text import parse_query
from pynenc.search.scan import MOST_ROWS, search
from pynenc.search.streams import Order
from pynenc.state_backend.base_state_backend import INVOCATION
from pynenc.state_backend.log_records import LogLine
from pynenc.storage.record_store import Lookup
from pynenc.storage.records import why_unreadable
from pynenc.workflow.updates import INTERNAL

_MOST_LINES = 1_000_000
TaskFilter = BaseTask[..., Any] | TaskId | str | None
StatusFilter = Iterable[InvocationStatus | str] | InvocationStatus | str | None


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

    def search(
        self,
        wanted: Filter | str,
        limit: int,
        cursor: str | None,
        budget: Budget,
        order: Order | None,
    ) -> SearchPage:
        """Return a page of invocations; see `Pynenc.search`."""
        if self._conf().dev_mode_force_sync_tasks:
            return inline.search(
                self._inline.latest(), self._parsed(wanted, cursor, time.time()), limit, cursor
            )
        components = self._components()
        now = components.now()
        return search(components, self._parsed(wanted, cursor, now), limit, cursor, budget, order, now)

    @staticmethod
    def _parsed(wanted: Filter | str, cursor: str | None, now: float) -> Filter:
        if isinstance(wanted, Filter):
            return wanted
        return parse_query(wanted, now if cursor is None else time_of(cursor))

    def search_count(self, wanted: Filter | str, budget: Budget) -> SearchCount:
        """Return how many invocations fit a filter; see `Pynenc.search_count`."""
        if self._conf().dev_mode_force_sync_tasks:
            found = self.search(wanted, MOST_ROWS, None, budget, None)
            return SearchCount(len(found.rows), found.searched, True)
        components = self._components()
        return count(components, self._parsed(wanted, None, components.now()), budget)

    def count(
        self,
        task: TaskFilter = None,
        statuses: StatusFilter = None,
        since: datetime | float | None = None,
    ) -> int:
        """Return how many invocations there are; see `Pynenc.count`."""
        return self.search_count(_filter(task, statuses, since), UNBOUNDED).count

    def history(
        self,
        since: datetime | timedelta,
        until: datetime | None,
        step: timedelta,
        task: TaskFilter,
    ) -> list[Activity]:
        """Return what was done in each step of a time; see `Pynenc.history`."""
        components = self._components()
        end = _moment("until", until, components.now())
        begin = _moment("since", since, end)
        if not isinstance(step, timedelta):
            raise TypeError(f"'step' is a timedelta, not {step!r}")
        wanted = None if task is None else _task_key(task)
        return history(components, begin, end, step.total_seconds(), wanted)

    def logs(
        self, invocation_id: str | None, limit: int, since: datetime | timedelta | None
    ) -> list[LogLine]:
        """Return log lines that were stored; see `Pynenc.logs`."""
        if isinstance(limit, bool) or not isinstance(limit, int) or not 0 < limit <= _MOST_LINES:
            raise ValueError(f"'limit' is a whole number from 1 to {_MOST_LINES:,}, not {limit!r}")
        equals = {} if invocation_id is None else {"invocation_id": storable(invocation_id)}
        low = None if since is None else _moment("since", since, self._components().now())
        lookup = Lookup(LogLine, equals, low, newest_first=True)
        return self._components().state_backend.find(LogLine, lookup, limit)[::-1]

    def failures(self, within: timedelta, limit: int, with_decided: bool) -> list[GroupActivity]:
        """Return groups of failures; see `Pynenc.failures`."""
        if not isinstance(within, timedelta):
            raise TypeError(f"'within' is a timedelta, not {within!r}")
        return failures(self._components(), within.total_seconds(), limit, with_decided)

    def find_invocations(
        self,
        task: TaskFilter = None,
        statuses: StatusFilter = None,
        since: datetime | float | None = None,
        limit: int = 100,
        only_workflows: bool = False,
    ) -> list[AnyInvocation]:
        """Return handles on invocations, newest first; see `Pynenc.find_invocations`."""
        chosen = self.find_records(task, statuses, since, limit, only_workflows)
        if self._conf().dev_mode_force_sync_tasks:
            handles = [self._inline.find(data.invocation_id) for data, _ in chosen]
            return [each for each in handles if each is not None]
        return self._handles([data for data, _ in chosen], [state for _, state in chosen])

    def find_records(
        self,
        task: TaskFilter = None,
        statuses: StatusFilter = None,
        since: datetime | float | None = None,
        limit: int = 100,
        only_workflows: bool = False,
        code_version: str | None = None,
    ) -> list[FoundInvocation]:
        """Return what is stored of invocations, newest first; see `Pynenc.find_records`."""
        wanted = _filter(task, statuses, since, only_workflows, code_version)
        found: list[FoundInvocation] = []
        cursor: str | None = None
        while len(found) < limit:
            size = min(MOST_ROWS, limit - len(found))
            page = self.search(wanted, size, cursor, UNBOUNDED, "changed" if statuses else "created")
            found += page.rows
            cursor = page.cursor
            if cursor is None:
                break
        return found

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


def _filter(
    task: TaskFilter,
    statuses: StatusFilter,
    since: datetime | float | None,
    only_workflows: bool = False,
    code_version: str | None = None,
) -> Filter:
    return Filter(
        tasks=() if task is None else (_task_key(task),),
        statuses=names_of(statuses),
        created_since=since.timestamp() if isinstance(since, datetime) else since,
        is_workflow=True if only_workflows else None,
        code_version=code_version,
    )


def _moment(name: str, value: datetime | timedelta | None, otherwise: float) -> float:
    """Return a moment in seconds since the epoch; a span counts back from another one.

    Raises:
        TypeError: It is neither.
    """
    if value is None:
        return otherwise
    if isinstance(value, timedelta):
        return otherwise - value.total_seconds()
    if isinstance(value, datetime):
        return value.timestamp()
    raise TypeError(f"{name!r} is a datetime, or a timedelta back from the end, not {value!r}")


def _task_key(task: BaseTask[..., Any] | TaskId | str) -> str:
    if isinstance(task, Filter):
        raise TypeError("a task is asked for, not a filter; use 'app.search' or 'app.search_count'")
    if isinstance(task, str):
        return task
    if not isinstance(task, (TaskId, BaseTask)):
        raise TypeError(f"a task, or the name of one, is asked for, not {task!r}")
    return task.key if isinstance(task, TaskId) else task.task_id.key
