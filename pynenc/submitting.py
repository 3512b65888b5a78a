"""From calls to accepted invocations: packing arguments and handing over in batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pynenc.call import Call
from pynenc.conf.config_runner import DEFAULT_QUEUE
from pynenc.context import get_current_runner
from pynenc.identifiers.ids import new_id
from pynenc.invocation.base_invocation import current_invocation
from pynenc.invocation.dist_invocation import DistributedInvocation
from pynenc.orchestrator.submission import submit
from pynenc.orchestrator.values import PackedArguments, encode_arguments
from pynenc.state_backend.base_state_backend import InvocationData
from pynenc.types import Params, Result
from pynenc.workflow.identity import WorkflowIdentity

if TYPE_CHECKING:
    from pynenc.app import Pynenc


def submit_calls(
    app: Pynenc, calls: Sequence[Call[Params, Result]], common: Mapping[str, Any] | None = None
) -> list[DistributedInvocation[Params, Result]]:
    """Submit calls of one task.

    Args:
        app: Where to.
        calls: The calls, all of the same task.
        common: Arguments that all calls share; serialized once.

    Raises:
        SerializationError: An argument cannot be serialized; nothing was stored.
    """
    if not calls:
        return []
    conf = calls[0].task.conf
    size = conf.parallel_batch_size or len(calls)
    shared = app.ports.values.pack_arguments([common], conf.disable_cache_args)[0] if common else {}
    packed = [
        arguments
        for start in range(0, len(calls), size)
        for arguments in _pack(app, calls[start : start + size], common or {}, shared)
    ]
    invocations: list[DistributedInvocation[Params, Result]] = []
    for start in range(0, len(calls), size):
        batch = slice(start, start + size)
        invocations += _submit_batch(app, calls[batch], packed[batch])
    return invocations


def _pack(
    app: Pynenc,
    calls: Sequence[Call[Params, Result]],
    common: Mapping[str, Any],
    shared: PackedArguments,
) -> list[PackedArguments]:
    """Packed arguments of each call, all serialized before anything is submitted."""
    own: list[dict[str, Any]] = [call.kwargs for call in calls]
    if shared:  # an item may have a value of its own in place of a common one
        own = [
            {name: value for name, value in kwargs.items() if name not in shared or value is not common[name]}
            for kwargs in own
        ]
    packed = app.ports.values.pack_arguments(own, calls[0].task.conf.disable_cache_args)
    return [{**shared, **arguments} for arguments in packed] if shared else packed


def _submit_batch(
    app: Pynenc, calls: Sequence[Call[Params, Result]], packed: Sequence[PackedArguments]
) -> list[DistributedInvocation[Params, Result]]:
    ports = app.ports
    caller = current_invocation.get()
    submitter = app.known_runner(get_current_runner())
    now = ports.orchestrator.now()
    task = calls[0].task
    key, force_new = task.task_id.key, task.conf.force_new_workflow
    data: list[InvocationData] = []
    workflows: list[WorkflowIdentity] = []
    for arguments in packed:
        invocation_id = new_id()
        workflow = WorkflowIdentity.for_new(
            invocation_id, key, caller.workflow if caller else None, force_new
        )
        workflows.append(workflow)
        data.append(
            InvocationData(
                invocation_id,
                key,
                encode_arguments(arguments),
                now,
                workflow.workflow_id,
                workflow.workflow_type,
                workflow.parent_id,
                caller.invocation_id if caller else None,
                submitter.runner_id,
            )
        )
    states = submit(ports, data, DEFAULT_QUEUE)
    return [
        DistributedInvocation(each.invocation_id, call, workflow, state)
        for each, call, workflow, state in zip(data, calls, workflows, states, strict=True)
    ]
