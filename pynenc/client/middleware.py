"""Middleware around a body: entered and left in the body's own context."""

from __future__ import annotations

from typing import Any

from pynenc.calls.interfaces import App, BaseInvocation
from pynenc.conf.headers import stored_headers
from pynenc.context import current_headers, get_current_runner
from pynenc.exceptions import InvocationCancelledError
from pynenc.invocation.claim import Claim
from pynenc.invocation.status import InvocationStatus, StatusRecord
from pynenc.lifecycle.hooks import Entered, LifeCycleHooks
from pynenc.lifecycle.surroundings import SurroundedExecution, current_execution, set_headers
from pynenc.plugins.middleware import Execution, StatusChange, Submission
from pynenc.plugins.registry import plugin_registry


class EnteredExecution:
    """The hooks that were entered around a body.

    Args:
        execution: The run of the body.
        entered: The hooks.
    """

    def __init__(self, execution: Execution, entered: Entered) -> None:
        self._execution = execution
        self._entered = entered

    def leave(self, invocation: BaseInvocation[..., Any], error: BaseException | None) -> None:
        """Leave them, in the context in which they were entered.

        Args:
            invocation: The invocation, whose record says whether its body has parked.
            error: The exception that the body raised, if it did.
        """
        execution, record = self._execution, invocation.body_record
        if record is not None and record.parking is not None:
            execution.end, error = "parked", None
        elif error is None:
            execution.end = "returned"
        else:
            execution.end = "cancelled" if isinstance(error, InvocationCancelledError) else "raised"
        execution.error = error
        self._entered.leave(error)


def enter_execution(app: App, claim: Claim) -> EnteredExecution:
    """Enter the hooks around the body of a claim, in the context in which it is about to run."""
    data, state = claim.data, claim.state
    execution = Execution(
        data.invocation_id,
        data.task_id,
        data.workflow_id,
        data.parent_invocation_id,
        state.queue,
        state.retries + 1,
        state.runner_id or "",
        data.created_at,
        stored_headers(data.headers),
        claim=state.claim,
    )
    return _entered(app.components.hooks, execution)


def enter_inline_execution(invocation: BaseInvocation[..., Any]) -> EnteredExecution | None:
    """Enter the hooks around a body that runs inline, likewise."""
    manager, app_id = plugin_registry().manager, invocation.task.app.app_id
    if not (manager.hook.pynenc_executing.get_hookimpls() or manager.hook.pynenc_step.get_hookimpls()):
        return None
    execution = Execution(
        invocation.invocation_id,
        invocation.task.key,
        invocation.workflow.workflow_id,
        None,
        invocation.task.conf.queue,
        invocation.num_retries + 1,
        get_current_runner().runner_id,
        invocation.history[0].timestamp.timestamp(),
        stored_headers(current_headers.get()),
    )
    return _entered(LifeCycleHooks(manager, app_id), execution)


def inline_headers(invocation: BaseInvocation[..., Any], headers: str | None) -> str | None:
    """Return the headers of a call that is about to run inline, as the hooks around a submission set them."""
    manager, app_id = plugin_registry().manager, invocation.task.app.app_id
    if not manager.hook.pynenc_submitting.get_hookimpls():
        return headers
    hooks, parent = LifeCycleHooks(manager, app_id), invocation.parent
    submission = Submission(
        invocation.invocation_id,
        invocation.task.key,
        invocation.workflow.workflow_id,
        parent.invocation_id if parent is not None else None,
        invocation.task.conf.queue,
        stored_headers(headers),
    )
    entered = hooks.enter("submitting", submissions=[submission])
    entered.leave()
    return set_headers(hooks, submission, headers)


def tell_inline_change(
    invocation: BaseInvocation[..., Any], before: InvocationStatus, record: StatusRecord
) -> None:
    """Tell the hooks that the status of an inline invocation has changed."""
    manager = plugin_registry().manager
    if manager.hook.pynenc_statuses_changed.get_hookimpls():
        change = StatusChange(
            invocation.invocation_id,
            invocation.task.key,
            before,
            record.status,
            record.claim,
            record.runner_id,
            record.timestamp.timestamp(),
        )
        LifeCycleHooks(manager, invocation.task.app.app_id).call("statuses_changed", changes=[change])


def _entered(hooks: LifeCycleHooks, execution: Execution) -> EnteredExecution:
    current_execution.set(SurroundedExecution(hooks, execution))
    return EnteredExecution(execution, hooks.enter("executing", execution=execution))
