"""Waiting for invocations to end."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any

from pynenc.calls.interfaces import BaseInvocation
from pynenc.client.workflow_runtime import workflow_of
from pynenc.workflow.context import WorkflowContext

_REMIND_AFTER_S = 10.0


def _plain(invocation_ids: Sequence[str]) -> AbstractContextManager[None]:
    return nullcontext()


def body_of(invocation: BaseInvocation[..., Any] | None) -> WorkflowContext | None:
    """The workflow of a body, if it has recorded something or is the root of a workflow."""
    if invocation is None or not (invocation.body_record or invocation.task.conf.force_new_workflow):
        return None
    return workflow_of(invocation)


def waiting_body(
    body: WorkflowContext | None, ids: Sequence[str], is_coroutine: bool = False
) -> AbstractContextManager[object]:
    """What to enter while a body waits for other invocations."""
    if body is None:
        return nullcontext()
    stack = ExitStack()
    if is_coroutine:
        stack.enter_context(body.waits.busy())
    stack.enter_context(body.run.waiting_for(ids))
    return stack
