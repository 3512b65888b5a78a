"""Calls that name themselves: a second one with the same name is the first."""

from __future__ import annotations

from typing import Any

import msgspec

from pynenc.calls.call_options import CallOptions
from pynenc.calls.interfaces import BaseTask
from pynenc.client.dist_invocation import DistributedInvocation
from pynenc.client.submitting import Bound, DerivedIdentity, submit_calls
from pynenc.exceptions import CallConflictError
from pynenc.identifiers.ids import derived_id
from pynenc.invocation.data import InvocationData
from pynenc.invocation.status import InvocationStatus
from pynenc.invocation.workflow_identity import WorkflowIdentity
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.new_invocation import NewInvocation
from pynenc.lifecycle.submission import message_for, submit_in_place_of
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
    if options.idempotency_ttl is not None:
        return _submit_for_a_time(task, call, options, options.idempotency_ttl)
    own_id = options.invocation_id
    ids = _ids_of_key(task, options) if own_id is None else [own_id]
    known = next((found for each in ids if (found := _known(task, call, each)) is not None), None)
    wanted = ids[0] if known is None else known.invocation_id
    if known is not None and known.status != InvocationStatus.REGISTERED:
        return known
    # Doing it again changes nothing, and completes what one has left undone who died on the way.
    (made,) = submit_calls(task, [call], options, identities=[DerivedIdentity(wanted)])
    # Another may have been first between the two looks, and its arguments are those that are stored.
    return _known(task, call, wanted) or made


def _ids_of_key(task: BaseTask[..., Any], options: CallOptions) -> list[str]:
    """Return the ids of a key: under an earlier name of the task it may have been used before."""
    return [derived_id("idempotency", key, options.idempotency_key or "") for key in task.keys]


def _submit_for_a_time(
    task: BaseTask[Params, Result], call: Bound, options: CallOptions, ttl_s: float
) -> DistributedInvocation[Params, Result]:
    """Submit a call whose key stands for it only for a time.

    An entry under the key names the latest. The id of the next follows from the one before, so a call
    that is made again after a crash finds what the first has left, and completes it.
    """
    components, ids = task.app.components, _ids_of_key(task, options)
    while True:
        entries = components.orchestrator.read_slots([_entry_of(each) for each in ids])
        since = components.now() - ttl_s
        holders = [
            own_id if entry is None else entry.invocation_id
            for own_id, entry in zip(ids, entries, strict=True)
        ]
        known = next((found for each in holders if (found := _known(task, call, each, since))), None)
        if known is not None:
            _complete(components, known.invocation_id)
            return known
        (former,) = components.state_backend.read_invocations(holders[:1])
        next_id = holders[0] if former is None else derived_id("idempotency again", holders[0])
        made: list[NewInvocation] = []
        submit_calls(task, [call], options, identities=[DerivedIdentity(next_id)], into=made)
        (new,) = made
        state = msgspec.structs.replace(
            new.state, registration_key=_entry_of(ids[0]), kept_until=new.data.created_at + ttl_s
        )
        if submit_in_place_of(components, NewInvocation(new.data, state), entries[0]):
            # One that died between two writes may have stored other arguments, or this call long ago.
            stored = _known(task, call, next_id, since)
            if stored is not None:
                return stored


def _complete(components: Components, invocation_id: str) -> None:
    """Do what is left to do of a submission, if the one who made it died on the way."""
    (state,) = components.orchestrator.read_states([invocation_id])
    if state is not None and state.status == InvocationStatus.REGISTERED:
        components.broker.push([message_for(state)])


def _entry_of(key_id: str) -> str:
    return f"idempotency:{key_id}"


def _known(
    task: BaseTask[Params, Result], call: Bound, invocation_id: str, since: float = 0.0
) -> DistributedInvocation[Params, Result] | None:
    components = task.app.components
    (data,) = components.state_backend.read_invocations([invocation_id])
    if data is None or data.created_at <= since:
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
