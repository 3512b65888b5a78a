"""Workflows: what invocations belong to."""

from pynenc.invocation.workflow_identity import WorkflowIdentity
from pynenc.workflow.context import WorkflowContext

__all__ = [
    "WorkflowContext",
    "WorkflowIdentity",
]
