"""Calls that name themselves: a second one with the same name is the first."""

from __future__ import annotations

from typing import Any

from pynenc.calls.call_options import CallOptions
from pynenc.calls.interfaces import BaseTask
from pynenc.client.dist_invocation import DistributedInvocation
from pynenc.client.submitting import Bound, DerivedIdentity, submit_calls
from pynenc.exceptions import CallConflictError
from pynenc.identifiers.ids import derived_id
from pynenc.invocation.data import InvocationData
from pynenc.invocation.status import InvocationStatus
from pynenc.invocation.workflow_identity import WorkflowIdentity
from pynenc.lifecycle.values import decode_arguments
from pynenc.logs import shown_arguments
from pynenc.types import Params, Result


def submit_named(
    task: BaseTask[Params, Result], call: Bound, options: CallOptions
) -> DistributedInvocation[Params, Result]:
    """Submit a call with an idempotency key or an id of its own, unless that was done before.

    Raises:
        CallConflictError: It was, by another task or with other arguments.
        WorkflowExistsError: The name of a workflow is taken, and that is to be refused.
        SerializationError: An argument cannot be serialized; nothing was stored.
    """
    if options.workflow_id is not None:
        (started,) = submit_calls(task, [call], options, identities=[DerivedIdentity(options.workflow_id)])
        return started
    if options.invocation_id is not None:
        ids = [options.invocation_id]
    else:  # under an earlier name of the task it may have been submitted before
        ids = [derived_id("idempotency", key, options.idempotency_key or "") for key in task.keys]
    known = next((found for each in ids if (found := _known(task, call, each)) is not None), None)
    wanted = ids[0] if known is None else known.invocation_id
    if known is not None and known.status != InvocationStatus.REGISTERED:
        return known
    # Doing it again changes nothing, and completes what one has left undone who died on the way.
    (made,) = submit_calls(task, [call], options, identities=[DerivedIdentity(wanted)])
    # Another may have been first between the two looks, and its arguments are those that are stored.
    return _known(task, call, wanted) or made


def _known(
    task: BaseTask[Params, Result], call: Bound, invocation_id: str
) -> DistributedInvocation[Params, Result] | None:
    components = task.app.components
    (data,) = components.state_backend.read_invocations([invocation_id])
    if data is None:
        return None
    values = components.values
    (ours,) = values.pack_arguments([call], task.conf.disable_cache_args)
    same = values.same_contents(decode_arguments(data.arguments)) == values.same_contents(ours)
    if data.task_id not in task.keys or not same:
        raise CallConflictError(invocation_id, _shown(task, data), f"{task.task_id}({_told(task, call)})")
    (state,) = components.orchestrator.read_states([invocation_id])
    if state is None:
        return None
    return DistributedInvocation(invocation_id, task, call, WorkflowIdentity.of(data), state)


def _shown(task: BaseTask[..., Any], data: InvocationData) -> str:
    try:
        (arguments,) = task.app.components.values.unpack_arguments([data.arguments])
    except Exception as error:  # noqa: BLE001 - it is only to be shown
        return f"{data.task_id}(arguments that cannot be read here: {type(error).__name__})"
    return f"{data.task_id}({_told(task, arguments)})"


def _told(task: BaseTask[..., Any], arguments: Bound) -> str:
    return str(shown_arguments(task.app.conf, arguments))
