"""Choosing the index by which a search goes."""

from __future__ import annotations

from collections.abc import Sequence

from pynenc.identifiers.texts import bare_name
from pynenc.invocation.data import DECLARED, InvocationData
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.components import Components
from pynenc.search.filters import Filter
from pynenc.search.streams import (
    Candidate,
    Driver,
    Order,
    Span,
    Stream,
    of_data,
    of_ids,
    of_states,
    of_tag,
    of_trigger,
)
from pynenc.state_backend.failure_records import FailureGroup
from pynenc.storage.operations import Cursor

_MOST_COUNTED = 10_000
_FAILED, _PENDING = InvocationStatus.FAILED.value, InvocationStatus.PENDING.value


def drivers_of(components: Components, wanted: Filter, now: float) -> list[Driver]:
    """Return the ways to find all that fits a filter, the most special first.

    Args:
        components: The components.
        wanted: The filter.
        now: The time of the first page, in seconds since the epoch.
    """
    if wanted.triggered_by is not None:
        return [of_trigger(components, wanted.triggered_by)]
    if wanted.ids:
        return [of_ids(components, wanted.ids)]
    found = _special(components, wanted, now)
    created = Span(wanted.created_since, wanted.created_until)
    if wanted.statuses:
        plan = f"by the status {_either(wanted.statuses)}"
        found.append(of_states(components, plan, "status", wanted.statuses, _changed(wanted), now))
    if wanted.exact_tasks:
        plan = f"by the task {_either(wanted.exact_tasks)}"
        equals = [{"task_id": each} for each in dict.fromkeys(wanted.exact_tasks)]
        found.append(of_data(components, plan, equals, created))
    return found or [of_data(components, "by the time at which they were made", [{}], created)]


def _special(components: Components, wanted: Filter, now: float) -> list[Driver]:
    created, changed = Span(wanted.created_since, wanted.created_until), _changed(wanted)
    if wanted.failure_group is not None:
        (group,) = components.state_backend.read(FailureGroup, [wanted.failure_group])
        types = [] if group is None else [bare_name(group.type_name)]
        plan = f"by the error of the failures {wanted.failure_group}"
        return [of_states(components, plan, "error_type", types, changed, now)]
    found = [of_tag(components, tag, created) for tag in wanted.tags]
    if wanted.parent_id is not None:
        equals = [{"parent_invocation_id": wanted.parent_id}]
        found.append(of_data(components, f"by the parent {wanted.parent_id}", equals, created))
    if wanted.workflow_id is not None:
        found.append(_family(components, wanted.workflow_id, created))
    if set(wanted.statuses) == {_FAILED} and wanted.exact_tasks:
        plan = f"by the failures of the task {_either(wanted.exact_tasks)}"
        found.append(of_states(components, plan, "failed_task", wanted.exact_tasks, changed, now))
    if wanted.error_types:
        plan = f"by the error {_either(wanted.error_types)}"
        found.append(of_states(components, plan, "error_type", wanted.error_types, changed, now))
    if wanted.is_workflow and wanted.statuses and _PENDING not in wanted.statuses:
        plan = f"by the workflows with the status {_either(wanted.statuses)}"
        found.append(of_states(components, plan, "workflow_status", wanted.statuses, changed, now))
    if wanted.is_workflow:
        found.append(of_data(components, "by the workflows", [{"workflow_kind": DECLARED}], created))
    return found


def _family(components: Components, workflow_id: str, span: Span) -> Driver:
    """Return the driver that reads the members of a workflow, and its root."""
    members = of_data(components, f"by the workflow {workflow_id}", [{"family": workflow_id}], span)

    def read(limit: int, after: Cursor | None) -> Sequence[Candidate]:
        (root,) = components.state_backend.read_invocations([workflow_id] if after is None else [""])
        return [] if root is None else [_own_place(root)]

    return Driver(members.plan, members.order, [*members.streams, Stream(read)], members.count)


def _own_place(data: InvocationData) -> Candidate:
    return Candidate(Cursor(data.created_at, data.invocation_id), None, data)


def _changed(wanted: Filter) -> Span:
    """Return since when a status may count: no sooner than the invocation was made and got it."""
    bounds = [each for each in (wanted.created_since, wanted.changed_since) if each is not None]
    return Span(max(bounds) if bounds else None)


def _either(names: Sequence[str]) -> str:
    return " or ".join(dict.fromkeys(names))


def chosen(drivers: Sequence[Driver], order: Order | None) -> Driver:
    """Return the driver with the fewest candidates; of equal ones the one with the order asked for."""
    if len(drivers) == 1:
        return drivers[0]
    counts = [driver.count(_MOST_COUNTED) for driver in drivers]
    ranked = zip(counts, drivers, range(len(drivers)), strict=True)
    _, driver, _ = min(
        ranked, key=lambda each: (min(each[0], _MOST_COUNTED), order not in (None, each[1].order), each[2])
    )
    return driver
