"""Messages to workflows that are answered: queries and updates."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec

from pynenc.calls.call_options import check_timeout
from pynenc.calls.interfaces import App
from pynenc.client.workflow_names import stored_under
from pynenc.client.workflow_runtime import send_event
from pynenc.exceptions import UpdateRefusedError, WorkflowUsageError
from pynenc.identifiers.ids import new_id
from pynenc.identifiers.texts import is_storable, shown
from pynenc.invocation.data import InvocationData
from pynenc.invocation.state import InvocationState
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.waiting import read_states
from pynenc.state_backend.workflow_records import value_id
from pynenc.trigger.records import check_code
from pynenc.workflow.journal import StoredJournal
from pynenc.workflow.updates import INTERNAL, answer_channel, answer_name, update_event

_LONGEST_LOOK_S = 2.0


class WorkflowView(msgspec.Struct, frozen=True):
    """The latest recorded state of a workflow, as queries see it.

    Attributes:
        workflow_id: The id.
        status: The status, as text.
        waits_for: The reason why it is parked, in words; None if it is not.
        data: The values that were set by `set_data`.
        steps: The latest result of each step and operation that has a name, by that name. What has
            failed is its exception.
    """

    workflow_id: str
    status: str
    waits_for: str | None
    data: dict[str, Any]
    steps: dict[str, Any]


def view_of(components: Components, workflow_id: str) -> WorkflowView:
    """Return what is recorded of a workflow.

    Raises:
        InvocationNotFoundError: It is not stored.
    """
    return _view(components, *stored_under(components, workflow_id))


def _view(components: Components, data: InvocationData, state: InvocationState) -> WorkflowView:
    values = components.state_backend.find_values(data.workflow_id)
    known = [each for each in values if not each.name.startswith(INTERNAL)]
    loaded = components.values.unpack_results([each.payload for each in known])
    journal = StoredJournal(components, data.invocation_id, data.workflow_id, state.generation, state.retries)
    steps = [step for step in journal.current_steps() if step.name]
    return WorkflowView(
        data.invocation_id,
        state.status.value,
        state.waits_for if state.is_parked else None,
        {each.name: value for each, value in zip(known, loaded, strict=True)},
        {step.name: journal.value(step) for step in steps if not step.name.startswith(INTERNAL)},
    )


def query_workflow(app: App, workflow_id: str, name: str, arguments: Mapping[str, Any]) -> Any:
    """Return the answer of a query; see `InvocationApi.query_workflow`."""
    data, state = stored_under(app.components, workflow_id)
    task = app.find_task(data.task_id)
    function = task.queries.get(name)
    if function is None:
        raise WorkflowUsageError(
            f"workflow {workflow_id} of task {task.task_id} has no query '{name}'; it has: "
            f"{', '.join(sorted(task.queries)) or 'none'}"
        )
    return function(_view(app.components, data, state), **arguments)


def update_workflow(
    app: App,
    workflow_id: str,
    code: str,
    payload: Any = None,
    update_id: str | None = None,
    timeout_s: float | None = None,
) -> Any:
    """Send an update and return its answer; see `InvocationApi.update_workflow`."""
    check_timeout(timeout_s)
    check_code(code)
    if update_id is not None and not (isinstance(update_id, str) and update_id and is_storable(update_id)):
        raise ValueError(f"update_id={shown(update_id, 80)} is not a text that can be stored, and not empty")
    components, own_id = app.components, update_id or new_id()
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    data, state = stored_under(components, workflow_id)
    workflow_id = data.invocation_id
    key = value_id(data.workflow_id, answer_name(own_id))
    with components.orchestrator.subscribe([answer_channel(own_id), workflow_id]) as subscription:
        (found,) = components.state_backend.read_values([key])
        if found is None and not (state.status.final and update_id):
            event_code, event = update_event(code, own_id, payload)
            send_event(components, workflow_id, event_code, event, own_id)
        look_s = components.first_look_s
        while found is None:
            (state,) = read_states(components, [workflow_id])
            (found,) = components.state_backend.read_values([key])
            if found is not None:
                break
            if state.status.final:
                raise WorkflowUsageError(
                    f"workflow {workflow_id} of task {state.task_id} has ended as {state.status} without an "
                    f"answer to update '{code}'"
                )
            pause = look_s if deadline is None else min(look_s, deadline - time.monotonic())
            if pause <= 0:
                raise TimeoutError(
                    f"workflow {workflow_id} has not answered update '{code}' in {timeout_s} s; it is kept, "
                    f"and sending it again with update_id='{own_id}' returns its answer"
                )
            if not subscription.wait(pause):
                look_s = min(look_s * 2, _LONGEST_LOOK_S)
    (answer,) = components.values.unpack_results([found.payload])
    if "refused" in answer:
        raise UpdateRefusedError(answer["refused"])
    return answer["value"]
