"""Making the call of an invocation that has ended once more, from what is stored; nothing is deserialized."""

from __future__ import annotations

import msgspec

from pynenc.client.workflow_names import is_name_key
from pynenc.client.workflow_runtime import latest_arguments
from pynenc.conf.headers import packed_headers, stored_headers
from pynenc.invocation.data import InvocationData
from pynenc.invocation.state import InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.new_invocation import NewInvocation
from pynenc.lifecycle.submission import submit, submit_in_place_of, submit_registered

_S = InvocationStatus
_OF_TRACES = frozenset(("traceparent", "tracestate", "baggage"))


def copy_of(
    components: Components,
    data: InvocationData,
    state: InvocationState,
    invocation_id: str,
    submitter_id: str,
    parent_id: str | None = None,
) -> NewInvocation:
    """Return the call of an invocation as a new one, which is not submitted yet.

    Args:
        components: The components.
        data: The unchanging part of the invocation.
        state: Its record.
        invocation_id: The id of the new one.
        submitter_id: Who submits it.
        parent_id: The invocation whose body does, if one does.
    """
    now = components.now()
    is_root = data.workflow_id == data.invocation_id
    workflow_id = invocation_id if is_root else data.workflow_id
    new_data = msgspec.structs.replace(
        data,
        invocation_id=invocation_id,
        arguments=latest_arguments(components, data.invocation_id, state.generation) or data.arguments,
        created_at=now,
        workflow_id=workflow_id,
        parent_invocation_id=parent_id,
        submitter_id=submitter_id,
        triggered_by=None,
        family=data.parent_workflow_id if is_root else workflow_id,
        headers=_without_trace(data.headers),
    )
    new_state = InvocationState(
        invocation_id,
        state.task_id,
        _S.REGISTERED,
        changed_at=now,
        since=now,
        queue=state.queue,
        priority=state.priority,
        slot_key=state.slot_key,
        waits_for_slot=state.waits_for_slot,
        cache_key=state.cache_key,
        is_workflow=state.is_workflow,
        cancels_children=state.cancels_children,
        is_pinned=state.is_pinned,
        workflow_status=_S.REGISTERED.value if state.is_workflow else None,
        is_tagged=state.is_tagged,
    )
    return NewInvocation(new_data, new_state)


def submit_copy(components: Components, new: NewInvocation, old: InvocationState) -> InvocationState | None:
    """Submit a copy under the registration key of the invocation that it was made of, if that has one.

    Returns:
        None if it was accepted, otherwise the record of the one that waits already and stands for it.
    """
    key = old.registration_key
    if key is not None and not is_name_key(key):
        return submit_registered(components, _keyed(new, key))
    takes_over(components, new, old)
    return None


def takes_over(components: Components, new: NewInvocation, old: InvocationState) -> None:
    """Submit a copy whatever else waits; under the name of a workflow, if the old one still has it."""
    key = old.registration_key
    if key is None or not is_name_key(key) or not _takes_name(components, new, key, old.invocation_id):
        submit(components, [new])


def _takes_name(components: Components, new: NewInvocation, key: str, old_id: str) -> bool:
    """Submit a workflow under the name of the one that it repeats, if that still has it."""
    (entry,) = components.orchestrator.read_slots([key])
    if entry is None or entry.invocation_id != old_id:
        return False
    return submit_in_place_of(components, _keyed(new, key), entry)


def _keyed(new: NewInvocation, key: str) -> NewInvocation:
    return msgspec.structs.replace(new, state=msgspec.structs.replace(new.state, registration_key=key))


def _without_trace(stored: str | None) -> str | None:
    """Return headers without those that would make the new run a part of an old trace."""
    headers = {name: value for name, value in stored_headers(stored).items() if name not in _OF_TRACES}
    return packed_headers(headers)
