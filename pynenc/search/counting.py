"""Counting what fits a filter."""

from __future__ import annotations

import time

import msgspec

from pynenc.invocation.data import InvocationData
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.components import Components
from pynenc.search.filters import Filter
from pynenc.search.page import Budget, SearchCount
from pynenc.search.scan import MOST_ROWS, search
from pynenc.storage.record_store import Lookup


def count(components: Components, wanted: Filter, budget: Budget) -> SearchCount:
    """Return how many invocations fit a filter, as far as the budget goes."""
    counted = _in_index(components, wanted)
    if counted is not None:
        return SearchCount(counted, 0, True)
    until = budget.begun()
    found, searched = 0, 0
    cursor: str | None = None
    while True:
        rows = None if budget.rows is None else max(1, budget.rows - searched)
        seconds = None if until is None else max(0.0, until - time.monotonic())
        page = search(components, wanted, MOST_ROWS, cursor, Budget(rows, seconds))
        found, searched, cursor = found + len(page.rows), page.searched, page.cursor
        if cursor is None or budget.is_spent(searched, until):
            return SearchCount(found, searched, cursor is None)


def _in_index(components: Components, wanted: Filter) -> int | None:
    """Return the number if one index gives it, else None."""
    if wanted == Filter(statuses=wanted.statuses) and wanted.statuses:
        statuses = [InvocationStatus(each) for each in wanted.statuses]
        return sum(components.orchestrator.count_states(each) for each in statuses)
    span = Filter(created_since=wanted.created_since, created_until=wanted.created_until)
    if wanted == span:
        equals: list[dict[str, str]] = [{}]
    elif wanted.exact_tasks and wanted == msgspec.structs.replace(span, tasks=wanted.tasks):
        equals = [{"task_id": each} for each in dict.fromkeys(wanted.tasks)]
    else:
        return None
    store = components.state_backend
    bounds = (wanted.created_since, wanted.created_until)
    return sum(store.count(Lookup(InvocationData, dict(each), *bounds)) for each in equals)
