"""Names of workflows: under each the latest that was started with it is found."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pynenc.calls.call_options import CallOptions
from pynenc.exceptions import CallConflictError, InvocationNotFoundError, WorkflowExistsError
from pynenc.identifiers.ids import new_id
from pynenc.invocation.data import InvocationData
from pynenc.invocation.state import InvocationState
from pynenc.lifecycle.cancellation import cancel
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.new_invocation import NewInvocation
from pynenc.lifecycle.submission import submit_in_place_of


def name_key(name: str) -> str:
    """Return the registration key of a named workflow."""
    return f"workflow:{name}"


def is_name_key(registration_key: str) -> bool:
    """Return whether a registration key is that of a named workflow."""
    return registration_key.startswith(name_key(""))


def resolved(components: Components, workflow_id: str) -> str:
    """Return the id of the latest workflow that was started under a name; an id is returned as it is."""
    (state,) = components.orchestrator.read_states([workflow_id])
    return latest_of(components, workflow_id, state)


def latest_state(components: Components, workflow_id: str) -> InvocationState:
    """Return the record of an invocation, by its id or the name of a workflow.

    Raises:
        InvocationNotFoundError: There is none.
    """
    (state,) = components.orchestrator.read_states([workflow_id])
    invocation_id = latest_of(components, workflow_id, state)
    if invocation_id != workflow_id:
        (state,) = components.orchestrator.read_states([invocation_id])
    if state is None:
        raise InvocationNotFoundError(workflow_id)
    return state


def stored_under(components: Components, workflow_id: str) -> tuple[InvocationData, InvocationState]:
    """Return what is stored of an invocation, by its id or the name of a workflow.

    Raises:
        InvocationNotFoundError: Nothing is.
    """
    state = latest_state(components, workflow_id)
    (data,) = components.state_backend.read_invocations([state.invocation_id])
    if data is None:
        raise InvocationNotFoundError(workflow_id)
    return data, state


def latest_of(components: Components, workflow_id: str, state: InvocationState | None) -> str:
    """Return the id of the latest workflow that was started under a name.

    Args:
        components: The components.
        workflow_id: The name, or an id, which is returned as it is.
        state: The record with this id, if there is one. While nobody has cancelled it and it has not
            ended, nothing can have taken its place.
    """
    if state is not None and not (state.status.final or state.cancel_requested):
        return workflow_id
    (entry,) = components.orchestrator.read_slots([name_key(workflow_id)])
    return workflow_id if entry is None else entry.invocation_id


def start_named(
    components: Components, new: NewInvocation, options: CallOptions, task_keys: Sequence[str]
) -> tuple[InvocationData, InvocationState, bool]:
    """Start a workflow under a name, or do with the one that has it what the policy says.

    Args:
        components: The components.
        new: The workflow, with its name as its id.
        options: The options of the call.
        task_keys: The names of its task.

    Returns:
        What is stored of the one that has the name now, and whether it is the new one.

    Raises:
        WorkflowExistsError: One has the name, and the policy is to refuse.
        CallConflictError: One of another task has it, and the policy is to return it.
    """
    name = new.data.invocation_id
    while True:
        (entry,) = components.orchestrator.read_slots([name_key(name)])
        current_id = name if entry is None else entry.invocation_id
        (data,) = components.state_backend.read_invocations([current_id])
        (state,) = components.orchestrator.read_states([current_id])
        if data is not None and state is not None:
            if not state.is_workflow:
                raise CallConflictError(current_id, data.task_id, new.data.task_id)
            if options.if_exists == "refuse":
                raise WorkflowExistsError(name, current_id, state.status)
            if options.if_exists == "return":
                if data.task_id not in task_keys:
                    raise CallConflictError(current_id, data.task_id, new.data.task_id)
                return data, state, False
            cancel(components, [current_id], new.data.submitter_id)
        own = new if entry is None and data is None and state is None else _renamed(new)
        if submit_in_place_of(components, own, entry):
            return own.data, own.state, True


def _renamed(new: NewInvocation) -> NewInvocation:
    own_id = f"{new.data.invocation_id}~{new_id()}"
    data = msgspec.structs.replace(new.data, invocation_id=own_id, workflow_id=own_id)
    return NewInvocation(data, msgspec.structs.replace(new.state, invocation_id=own_id))
