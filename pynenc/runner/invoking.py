"""Executing one claimed invocation."""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any, cast

from pynenc.arguments import Arguments
from pynenc.call import Call
from pynenc.context import RunnerContext, current_invocation_id, current_runner
from pynenc.exceptions import InvocationCancelledError, PynencError
from pynenc.identifiers.task_id import TaskId
from pynenc.interruption import Interruption, current_interruption, is_interrupted
from pynenc.invocation.base_invocation import BaseInvocation, current_invocation
from pynenc.invocation.body import retry_pause, run_function, wants_retry
from pynenc.invocation.dist_invocation import DistributedInvocation
from pynenc.invocation.status import InvocationStatus
from pynenc.orchestrator.claim import Claim
from pynenc.orchestrator.execution import Finished
from pynenc.running import Running, running_runner
from pynenc.workflow.identity import WorkflowIdentity

if TYPE_CHECKING:
    from pynenc.app import Pynenc
    from pynenc.runner.running_set import RunningBody

current_claim: contextvars.ContextVar[Claim | None] = contextvars.ContextVar("pynenc_claim", default=None)
"""The claim under which the body of this context runs."""


def invoke(
    app: Pynenc, claim: Claim, runner: Running, identity: RunnerContext, interruption: Interruption
) -> Finished:
    """Run the body of a claim that is RUNNING.

    Returns:
        How it ended. Whatever the body does, this does not raise.
    """
    context = contextvars.copy_context()
    return context.run(_invoke, app, claim, runner, identity, interruption)


def _invoke(
    app: Pynenc, claim: Claim, runner: Running, identity: RunnerContext, interruption: Interruption
) -> Finished:
    current_runner.set(identity)
    running_runner.set(runner)
    current_claim.set(claim)
    current_interruption.set(interruption)
    current_invocation_id.set(claim.data.invocation_id)
    try:
        invocation = _restore(app, claim)
    except PynencError as error:
        app.logger.error("invocation cannot run: %s", error)
        return Finished(claim, InvocationStatus.FAILED, app.ports.values.pack_error(error))
    current_invocation.set(cast("BaseInvocation[..., object]", invocation))
    return _run(app, claim, invocation)


def _restore(app: Pynenc, claim: Claim) -> DistributedInvocation[..., Any]:
    """The invocation, with its task imported and its arguments read."""
    task = app.find_task(TaskId.from_key(claim.data.task_id))
    (arguments,) = app.ports.values.unpack_arguments([claim.data.arguments])
    return DistributedInvocation(
        claim.data.invocation_id,
        Call(task, Arguments(arguments)),
        WorkflowIdentity.of(claim.data),
        claim.state,
    )


def _run(app: Pynenc, claim: Claim, invocation: DistributedInvocation[..., Any]) -> Finished:
    values, hooks = app.ports.values, app.components.hooks
    ids = {"invocation_id": invocation.invocation_id, "task_id": claim.data.task_id}
    hooks.call("before_execution", **ids)
    try:
        result = run_function(invocation.task, invocation.arguments.kwargs)
        payload = values.pack_result(result)
    except BaseException as error:  # noqa: BLE001 - it belongs to whoever asks for the result
        hooks.call("after_execution", error=error, **ids)
        if isinstance(error, InvocationCancelledError) and is_interrupted():
            return Finished(claim, InvocationStatus.CANCELLED, "")
        if wants_retry(invocation.task, error, claim.state.retries):
            app.logger.info("invocation asks for another run: %r", error)
            delay = retry_pause(invocation.task.conf, claim.state.retries)
            due = app.orchestrator.now() + delay if delay > 0 else 0.0
            return Finished(claim, InvocationStatus.RETRY, "", due)
        return Finished(claim, InvocationStatus.FAILED, values.pack_error(error))
    hooks.call("after_execution", error=None, **ids)
    return Finished(claim, InvocationStatus.SUCCESS, payload)


def ended_by_force(app: Pynenc, body: RunningBody) -> Finished:
    """How a body ends that did not listen when it was asked to."""
    error = body.interruption.error
    if error is None or isinstance(error, InvocationCancelledError):
        return Finished(body.claim, InvocationStatus.CANCELLED, "")
    return Finished(body.claim, InvocationStatus.FAILED, app.ports.values.pack_error(error))
