"""Submitting: from a call to an accepted invocation.

Order of writes: the invocation, its status record, its message. An invocation without a
record is never seen; a record without a message is pushed by reconciliation; the message of
an unknown record falls away.
"""

from __future__ import annotations

from collections.abc import Sequence

from pynenc.invocation.status import InvocationStatus
from pynenc.orchestrator.base_orchestrator import InvocationState
from pynenc.orchestrator.ports import Ports, message_for
from pynenc.state_backend.base_state_backend import InvocationData
from pynenc.storage.group import Group


def submit(ports: Ports, invocations: Sequence[InvocationData], queue: str) -> list[InvocationState]:
    """Accept invocations, all in one round trip where the components share a storage.

    Args:
        ports: The components.
        invocations: What to run; an id that is known already changes nothing.
        queue: Where the messages go.

    Returns:
        The status record of each, as registered.
    """
    hooks, group = ports.hooks, Group()
    states: list[InvocationState] = []
    for data in invocations:
        hooks.call("before_submit", invocation_id=data.invocation_id, task_id=data.task_id)
        state = InvocationState(
            data.invocation_id,
            data.task_id,
            InvocationStatus.REGISTERED,
            changed_at=data.created_at,
            since=data.created_at,
            queue=queue,
        )
        states.append(state)
    submitter = invocations[0].submitter_id if invocations else None
    ports.state_backend.stage_save_invocations(group, invocations)
    ports.orchestrator.stage_register(group, states, submitter)
    ports.broker.stage_push(group, [message_for(state) for state in states])
    group.send()
    hooks.status_changed(states)
    for data in invocations:
        hooks.call("after_submit", invocation_id=data.invocation_id, task_id=data.task_id)
    return states
