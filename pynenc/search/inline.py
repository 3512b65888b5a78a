"""Searching the invocations that ran inline, in a synchronous app."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from pynenc.conf.headers import packed_headers
from pynenc.identifiers.texts import class_name, shown
from pynenc.invocation.data import DECLARED, InvocationData
from pynenc.invocation.state import InvocationState
from pynenc.search.filters import Checks, Filter
from pynenc.search.page import FoundInvocation, Position, SearchPage, hash_of, position_of

_LONGEST = 10_000
_PLAN = "among the calls that this process has made itself"


def search(handles: Sequence[Any], wanted: Filter, limit: int, cursor: str | None) -> SearchPage:
    """Return a page of the inline invocations that fit a filter, newest first.

    Args:
        handles: All of them, newest first.
        wanted: The filter; of arguments it sees their `repr`.
        limit: The largest number of rows.
        cursor: That of the page before, with the same filter.
    """
    checks, begin = Checks.of(wanted), 0
    if cursor is not None:
        begin = position_of(cursor, wanted).searched
    rows: list[FoundInvocation] = []
    searched = begin
    for handle in handles[begin:]:
        if len(rows) == limit:
            return SearchPage(
                rows, Position(hash_of(wanted), _PLAN, 0.0, searched, []).packed(), searched, "created", _PLAN
            )
        searched += 1
        row = _row(handle)
        if (
            checks.fits_state(row.state)
            and checks.fits_data(row.data)
            and checks.fits_history(handle.history)
        ):
            rows.append(row)
    return SearchPage(rows, None, searched, "created", _PLAN)


def _row(handle: Any) -> FoundInvocation:
    created = handle.history[0].timestamp.timestamp()
    changed = handle.history[-1].timestamp.timestamp()
    workflow = handle.workflow
    is_root = workflow.workflow_id == handle.invocation_id
    is_workflow = bool(handle.task.conf.force_new_workflow)
    parent, error = handle.parent, handle.error
    arguments = {name: shown(value, _LONGEST) for name, value in handle.kwargs.items()}
    data = InvocationData(
        handle.invocation_id,
        handle.task.task_id.key,
        msgspec.json.encode(arguments).decode(),
        created,
        workflow.workflow_id,
        workflow.workflow_type,
        workflow.parent_id,
        parent.invocation_id if parent is not None else None,
        "",
        family=workflow.parent_id if is_root else workflow.workflow_id,
        workflow_kind=DECLARED if is_workflow else None,
        tags=handle.tags,
        headers=packed_headers(handle.headers),
    )
    state = InvocationState(
        handle.invocation_id,
        handle.task.task_id.key,
        handle.status,
        changed_at=changed,
        since=changed,
        queue=handle.task.conf.queue,
        retries=handle.num_retries,
        error_type=class_name(type(error)) if error is not None else None,
        is_workflow=int(is_workflow),
    )
    return FoundInvocation(data, state)
