"""The stored form of an invocation and of its outcome."""

from __future__ import annotations

import msgspec

DECLARED = "1"
"""What the root of a workflow is whose task was declared as one."""

LATER_FIELDS = ("family", "workflow_kind", "tags", "headers")
"""The fields that records of earlier versions do not have."""


class InvocationData(msgspec.Struct, frozen=True):
    """The unchanging part of an invocation, written once.

    Attributes:
        invocation_id: Its id.
        task_id: Key of its task.
        arguments: Serialized arguments: a JSON object of parameter name to packed text.
        created_at: Seconds since the epoch.
        workflow_id: The workflow that it belongs to.
        workflow_type: Key of the task at the root of that workflow.
        parent_workflow_id: The workflow that started that one, if any.
        parent_invocation_id: The invocation whose body submitted this one, if any.
        submitter_id: The runner (or external process) that submitted it.
        timeout: Seconds after which a run is asked to end, or None.
        triggered_by: The run of a trigger that started it, if one did.
        trigger_depth: How many triggers in a row led to it.
        family: The workflow that it is a member of without being its root; of the root of a workflow that
            another has started, that one.
        workflow_kind: `DECLARED` for the root of a declared workflow.
        tags: JSON text: its tags; None if it has none.
        headers: JSON text: its headers; None if it has none.
    """

    invocation_id: str = msgspec.field(name="key")
    task_id: str
    arguments: str
    created_at: float
    workflow_id: str
    workflow_type: str
    parent_workflow_id: str | None
    parent_invocation_id: str | None
    submitter_id: str
    timeout: float | None = None
    triggered_by: str | None = None
    trigger_depth: int | None = None
    family: str | None = None
    workflow_kind: str | None = None
    tags: str | None = None
    headers: str | None = None


class OutcomeData(msgspec.Struct, frozen=True):
    """The outcome of one claim of an invocation.

    Attributes:
        outcome_id: Id of the invocation and number of the claim, see `outcome_id`.
        is_error: Whether `payload` is an exception.
        payload: The packed, serialized result or exception.
    """

    outcome_id: str = msgspec.field(name="key")
    is_error: int
    payload: str
