"""The invocation side of the app: look-ups, counts and events."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, cast

from pynenc.application.invocations import InvocationFinder, StatusFilter, TaskFilter
from pynenc.calls.interfaces import AnyInvocation, App
from pynenc.client.retrying import retry_invocation
from pynenc.client.workflow_messages import WorkflowView, query_workflow, update_workflow, view_of
from pynenc.client.workflow_runtime import send_event
from pynenc.explaining.explanation import explain
from pynenc.explaining.findings import Explanation
from pynenc.lifecycle.components import Components
from pynenc.metrics.failures import GroupActivity
from pynenc.metrics.history import Activity
from pynenc.search.filters import Filter
from pynenc.search.page import PRESS, Budget, FoundInvocation, SearchCount, SearchPage
from pynenc.search.streams import Order
from pynenc.state_backend.log_records import LogLine
from pynenc.storage.beside_loop import beside_loop, submitted_beside_loop


class InvocationApi:
    """The look-ups of an app's invocations, and the events that are sent to them.

    Attributes:
        invocation_finder: Finds the invocations.
    """

    invocation_finder: InvocationFinder

    @property
    def components(self) -> Components:
        """The components, as the rules of an invocation's life use them."""
        raise NotImplementedError

    def get_invocation(self, invocation_id: str) -> AnyInvocation:
        """Return a handle on an invocation, from its id.

        Raises:
            InvocationNotFoundError: No invocation with this id is stored.
            TaskNotFoundError: Its task cannot be imported here.
        """
        return self.invocation_finder.get_invocation(invocation_id)

    def search(
        self,
        filter: Filter | str = "",
        limit: int = 50,
        cursor: str | None = None,
        budget: Budget = PRESS,
        order: Order | None = None,
    ) -> SearchPage:
        """Return a page of the invocations that fit a filter; their tasks need not be importable here.

        It is answered from an index where one fits, and else by looking at one after another, until
        the page is full or the budget is used up; the page says how far it has come.

        Args:
            filter: What to look for; as text, a line such as `status:failed task:shop.* since:2h`.
            limit: The largest number of rows, up to 10,000.
            cursor: That of the page before, with the same filter.
            budget: How much to look at before it returns what it has.
            order: The order to prefer where two ways are equally short.

        Raises:
            SearchError: The line cannot be understood, or the cursor belongs to another search.
            ValueError: The limit is not a number from 1 to 10,000.
        """
        return self.invocation_finder.search(filter, limit, cursor, budget, order)

    def history(
        self,
        since: datetime | timedelta = timedelta(hours=1),
        until: datetime | None = None,
        step: timedelta = timedelta(minutes=1),
        task: TaskFilter = None,
    ) -> list[Activity]:
        """Return what was done in each step of a time, oldest first, as the runners have counted it.

        A count belongs to the minute in which it was rolled up, about a minute after it happened. Minutes are
        kept for `rollup_minutes_hours`, and hours for `rollup_hours_days`.

        Args:
            since: The beginning, or how long before the end it is.
            until: The end; now by default.
            step: The length of a step.
            task: Only this task, or the one with this name.

        Raises:
            ValueError: The step is not longer than nothing, or there would be more than 1,000 steps.
        """
        return self.invocation_finder.history(since, until, step, task)

    def logs(
        self, invocation_id: str | None = None, limit: int = 100, since: datetime | timedelta | None = None
    ) -> list[LogLine]:
        """Return the latest warnings and errors that runners have logged and stored, oldest first.

        They are kept for `log_hours`, from the level `store_logs` on; of each process at most 20 errors and
        20 warnings a second, and 200 of each a minute.

        Args:
            invocation_id: Only what was logged in the body of this invocation, or about a failure of it.
            limit: The largest number to return.
            since: Only what was logged then or later, or within that time.

        Raises:
            ValueError: The limit is not a number from 1 to 1,000,000.
        """
        return self.invocation_finder.logs(invocation_id, limit, since)

    def failures(
        self, within: timedelta = timedelta(days=1), limit: int = 200, with_decided: bool = False
    ) -> list[GroupActivity]:
        """Return what has failed, in groups, those that failed last first.

        A group holds the failed attempts of one task with one class of exceptions, raised in one function
        of yours. Groups are kept for `failure_days` after the last of them.

        Args:
            within: How far back to look.
            limit: The largest number to return, up to 1,000.
            with_decided: Whether those that are muted, or resolved and not back, are among them.

        Raises:
            ValueError: The limit is not a number from 1 to 1,000, or there is no time to look at.
        """
        return self.invocation_finder.failures(within, limit, with_decided)

    def search_count(self, filter: Filter | str = "", budget: Budget = PRESS) -> SearchCount:
        """Return how many invocations fit a filter, as far as the budget goes.

        Statuses alone, and tasks with times at which invocations were made, are counted in an index.

        Raises:
            SearchError: The line cannot be understood.
        """
        return self.invocation_finder.search_count(filter, budget)

    def explain(self, invocation_id: str) -> Explanation:
        """Return why an invocation waits, failed, ran again, or is where it is.

        Nothing that is stored is deserialized, and no module is imported. A part of the system that
        does not answer is a finding, not an error.
        """
        return explain(cast(App, self), invocation_id)

    def find_invocations(
        self,
        task: TaskFilter = None,
        statuses: StatusFilter = None,
        since: datetime | float | None = None,
        limit: int = 100,
    ) -> list[AnyInvocation]:
        """Return handles on invocations, newest first.

        That is by the time at which they were made; with statuses, where an index of those is the
        shorter way, by that since which their status counts. `search` says which, and is bounded.

        Args:
            task: Only those of this task.
            statuses: Only those with one of these statuses.
            since: Only those made at this time or later (aware, or seconds since the epoch).
            limit: The largest number to return.

        Raises:
            ValueError: A status does not exist.
        """
        return self.invocation_finder.find_invocations(task, statuses, since, limit)

    def find_workflows(
        self,
        workflow_type: TaskFilter = None,
        statuses: StatusFilter = None,
        since: datetime | float | None = None,
        limit: int = 100,
    ) -> list[AnyInvocation]:
        """Return handles on the roots of workflows, newest first; parameters as of `find_invocations`."""
        return self.invocation_finder.find_invocations(
            workflow_type, statuses, since, limit, only_workflows=True
        )

    def find_records(
        self,
        task: TaskFilter = None,
        statuses: StatusFilter = None,
        since: datetime | float | None = None,
        limit: int = 100,
        only_workflows: bool = False,
        code_version: str | None = None,
    ) -> list[FoundInvocation]:
        """Return what is stored of invocations, newest first; their tasks need not be importable here."""
        return self.invocation_finder.find_records(task, statuses, since, limit, only_workflows, code_version)

    def count(
        self,
        task: TaskFilter = None,
        statuses: StatusFilter = None,
        since: datetime | float | None = None,
    ) -> int:
        """Return how many invocations are stored; parameters as of `find_invocations`.

        Statuses alone, or a task and a time without statuses, are counted in an index. Statuses
        together with one of those are counted by reading the invocations; `search_count` bounds that.
        """
        return self.invocation_finder.count(task, statuses, since)

    def find_children(self, invocation_id: str) -> list[AnyInvocation]:
        """Return handles on what the body of an invocation has submitted, oldest first."""
        return self.invocation_finder.find_children(invocation_id)

    def find_parent(self, invocation_id: str) -> AnyInvocation | None:
        """Return a handle on the invocation whose body submitted one; None if there is none any more."""
        return self.invocation_finder.find_parent(invocation_id)

    def retry_invocation(self, invocation_id: str, from_step: str | None = None) -> AnyInvocation:
        """Make a call that has ended once more, or go on with a workflow; see `BaseInvocation.retry`."""
        inline = cast(App, self).inline_records.find(invocation_id)
        if inline is not None:
            return cast(AnyInvocation, inline.retry(from_step))
        return retry_invocation(cast(App, self), invocation_id, from_step)

    def workflow_data(self, workflow_id: str) -> dict[str, Any]:
        """Return the values that the invocations of a workflow share, by name."""
        return self.invocation_finder.workflow_data(workflow_id)

    def send_event(
        self,
        invocation_id: str,
        code: str,
        payload: Mapping[str, Any] | None = None,
        event_id: str | None = None,
    ) -> str:
        """Send an event to an invocation; `task.wf.wait_event` in its body receives it.

        See `pynenc.client.workflow_runtime.send_event`.
        """
        return send_event(self.components, invocation_id, code, payload, event_id)

    def query_workflow(self, workflow_id: str, name: str, /, **arguments: Any) -> Any:
        """Return the answer of a query, from the latest recorded state of a workflow.

        It is asked in this process; no runner is needed, and the workflow may have ended.

        Args:
            workflow_id: Which workflow.
            name: The function that `task.query` has made one.
            arguments: Its arguments, by name.

        Raises:
            InvocationNotFoundError: The workflow is not stored.
            WorkflowUsageError: Its task has no such query.
            Exception: Whatever the function raises.
        """
        return query_workflow(cast(App, self), workflow_id, name, arguments)

    def view_workflow(self, workflow_id: str) -> WorkflowView:
        """Return what is recorded of a workflow: its data, the results of its steps, what it waits for.

        Raises:
            InvocationNotFoundError: It is not stored.
        """
        return view_of(self.components, workflow_id)

    def update_workflow(
        self,
        workflow_id: str,
        code: str,
        payload: Any = None,
        update_id: str | None = None,
        timeout_s: float | None = None,
    ) -> Any:
        """Send an update to a workflow, and wait for its answer.

        Args:
            workflow_id: To which.
            code: What kind of update; `task.wf.wait_update` in its body receives it.
            payload: Values that JSON can hold.
            update_id: Its id. Sending it again returns the answer of the first, as long as that is stored.
            timeout_s: Longest wait for the answer, in seconds.

        Raises:
            UpdateRefusedError: The workflow has refused it.
            TimeoutError: There is no answer yet; the update is kept, and the message names its id.
            WorkflowUsageError: The workflow has ended without an answer.
            InvocationNotFoundError: It is not stored.
        """
        return update_workflow(cast(App, self), workflow_id, code, payload, update_id, timeout_s)

    async def aupdate_workflow(
        self,
        workflow_id: str,
        code: str,
        payload: Any = None,
        update_id: str | None = None,
        timeout_s: float | None = None,
    ) -> Any:
        """Send an update like `update_workflow`, without blocking the event loop."""
        return await beside_loop(
            lambda: self.update_workflow(workflow_id, code, payload, update_id, timeout_s)
        )

    async def asend_event(
        self,
        invocation_id: str,
        code: str,
        payload: Mapping[str, Any] | None = None,
        event_id: str | None = None,
    ) -> str:
        """Send an event like `send_event`, without blocking the event loop.

        Raises:
            asyncio.CancelledError: The await was cancelled; `accepted_ids` names the event if it was sent.
        """
        return await submitted_beside_loop(
            lambda: self.send_event(invocation_id, code, payload, event_id), lambda known_id: (known_id,)
        )
