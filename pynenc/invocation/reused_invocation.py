"""Invocations that stand for a call which found an equal one waiting."""

from __future__ import annotations

from pynenc.calls.interfaces import Call
from pynenc.invocation.dist_invocation import DistributedInvocation
from pynenc.invocation.state import InvocationState
from pynenc.invocation.workflow_identity import WorkflowIdentity
from pynenc.types import Params, Result


class ReusedInvocation(DistributedInvocation[Params, Result]):
    """An existing invocation, returned in place of a new one.

    Attributes:
        different_arguments: Names of the arguments in which the new call differs from the one
            that is waiting. The invocation runs with those of the waiting one.
    """

    def __init__(
        self,
        invocation_id: str,
        call: Call[Params, Result],
        workflow: WorkflowIdentity,
        state: InvocationState,
        different_arguments: tuple[str, ...],
    ) -> None:
        super().__init__(invocation_id, call, workflow, state)
        self.different_arguments = different_arguments
