"""Middleware around submissions and steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import msgspec

from pynenc.conf.headers import check_headers, packed_headers, stored_headers
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.hooks import Entered, LifeCycleHooks
from pynenc.lifecycle.new_invocation import NewInvocation
from pynenc.plugins.middleware import Execution, StepRun, Submission


class SurroundedExecution(msgspec.Struct, frozen=True):
    """A run of a body with hooks around it.

    Attributes:
        hooks: The hooks of the app.
        execution: The run.
    """

    hooks: LifeCycleHooks
    execution: Execution


current_execution: ContextVar[SurroundedExecution | None] = ContextVar("pynenc_execution", default=None)
"""The run of the body in this context, if somebody listens to runs or steps."""


def enter_step(name: str) -> Entered | None:
    """Enter the hooks around a step that is about to run; None if nobody listens."""
    found = current_execution.get()
    if found is None or not found.hooks.step.get_hookimpls():
        return None
    return found.hooks.enter("step", execution=found.execution, step=StepRun(name))


@contextmanager
def submitting(components: Components, new: Sequence[NewInvocation]) -> Iterator[list[NewInvocation]]:
    """Enter the hooks around a submission, and give the invocations with the headers that they have set."""
    submissions = [
        Submission(
            each.data.invocation_id,
            each.data.task_id,
            each.data.workflow_id,
            each.data.parent_invocation_id,
            each.state.queue,
            stored_headers(each.data.headers),
        )
        for each in new
    ]
    entered = components.hooks.enter("submitting", submissions=submissions)
    try:
        yield [_with_headers(components, each, one) for each, one in zip(new, submissions, strict=True)]
    except BaseException as error:
        entered.leave(error)
        raise
    entered.leave()


def _with_headers(components: Components, new: NewInvocation, submission: Submission) -> NewInvocation:
    headers = set_headers(components.hooks, submission, new.data.headers)
    if headers == new.data.headers:
        return new
    return msgspec.structs.replace(new, data=msgspec.structs.replace(new.data, headers=headers))


def set_headers(hooks: LifeCycleHooks, submission: Submission, before: str | None) -> str | None:
    """Return the headers that hooks have set, as they are stored; those before if they cannot be stored."""
    if submission.headers == stored_headers(before):
        return before
    try:
        return packed_headers(check_headers(submission.headers))
    except ValueError as error:
        hooks.note_failure("submitting", "a plugin", error)
        return before
