"""What a running task can ask about its workflow."""

from __future__ import annotations

from pynenc.workflow.identity import WorkflowIdentity


class WorkflowContext:
    """The workflow of the running invocation, reached as `task.wf`.

    Attributes:
        identity: Which workflow it is.
    """

    def __init__(self, identity: WorkflowIdentity) -> None:
        self.identity = identity
