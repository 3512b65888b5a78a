"""An invocation that is about to be submitted."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pynenc.invocation.data import InvocationData
from pynenc.invocation.state import InvocationState
from pynenc.state_backend.workflow_records import Step, WorkflowValue


class NewInvocation(msgspec.Struct, frozen=True):
    """An invocation to submit.

    Attributes:
        data: What it is.
        state: Its status record as it will be registered.
        steps: What it goes on from: the steps that were recorded for one that it repeats.
        values: The data of the workflow that comes with them.
    """

    data: InvocationData
    state: InvocationState
    steps: Sequence[Step] = ()
    values: Sequence[WorkflowValue] = ()
