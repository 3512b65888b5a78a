"""The identity of a workflow."""

from __future__ import annotations

from dataclasses import dataclass

from pynenc.invocation.data import InvocationData


@dataclass(frozen=True, slots=True)
class WorkflowIdentity:
    """The workflow that an invocation belongs to.

    Attributes:
        workflow_id: Id of the invocation at its root.
        workflow_type: Key of the task at its root.
        parent_id: The workflow that started this one, if any.
    """

    workflow_id: str
    workflow_type: str
    parent_id: str | None = None

    @property
    def parent_workflow_id(self) -> str | None:
        """The name of `parent_id` in other versions of this API."""
        return self.parent_id

    @property
    def is_subworkflow(self) -> bool:
        """True if another workflow started this one."""
        return self.parent_id is not None

    @classmethod
    def for_new(
        cls, invocation_id: str, task_key: str, caller: WorkflowIdentity | None, force_new: bool
    ) -> WorkflowIdentity:
        """Return the workflow of a new invocation.

        It joins its caller's; without a caller, or if the task says so, it is the root of its own.
        """
        if caller is not None and not force_new:
            return caller
        return cls(invocation_id, task_key, caller.workflow_id if caller else None)

    @classmethod
    def of(cls, data: InvocationData) -> WorkflowIdentity:
        """Return the workflow that a stored invocation belongs to."""
        return cls(data.workflow_id, data.workflow_type, data.parent_workflow_id)
