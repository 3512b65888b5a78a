"""From calls to accepted invocations: packing arguments and handing over in batches."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from pynenc.calls.call_options import CallOptions
from pynenc.calls.interfaces import BaseTask, current_invocation
from pynenc.client.call_keys import NO_KEYS, CallKeys, keys_of
from pynenc.client.dist_invocation import DistributedInvocation, ReusedInvocation
from pynenc.client.workflow_names import name_key, start_named
from pynenc.conf.config_task import ConcurrencyControlType
from pynenc.conf.headers import merged_headers
from pynenc.context import current_headers, current_runner, current_trigger_depth
from pynenc.exceptions import InvocationConcurrencyWithDifferentArgumentsError, PartlySubmittedError
from pynenc.identifiers.ids import IdSeries, new_id
from pynenc.invocation.data import DECLARED, InvocationData
from pynenc.invocation.state import InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.invocation.workflow_identity import WorkflowIdentity
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.new_invocation import NewInvocation
from pynenc.lifecycle.submission import find_cached, submit, submit_registered
from pynenc.lifecycle.values import PackedArguments, ValueCodec, decode_arguments
from pynenc.types import Params, Result

Bound = dict[str, Any]
"""The bound arguments of one call, by parameter name."""


class DerivedIdentity(NamedTuple):
    """The identity of an invocation that was made before the invocation.

    Attributes:
        invocation_id: The id; submitting it again changes nothing.
        run_id: The run of a trigger that starts the invocation, if one does.
        depth: How many triggers in a row led to it; None for as many as to the one that submits it.
        group: The ids that were made together with it, as text, if it is a member of a group.
        headers: The headers that it inherits, as they are stored.
    """

    invocation_id: str
    run_id: str | None = None
    depth: int | None = None
    group: str | None = None
    headers: str | None = None


class _Circumstances(msgspec.Struct, frozen=True):
    """The circumstances that the calls of one submission have in common."""

    task: BaseTask[..., Any]
    options: CallOptions
    submitter_id: str
    caller_id: str | None
    workflow: WorkflowIdentity | None
    depth: int
    now: float
    not_before: float
    headers: str | None


def submit_calls(
    task: BaseTask[Params, Result],
    calls: Sequence[Bound],
    options: CallOptions,
    common: Mapping[str, Any] | None = None,
    identities: Sequence[DerivedIdentity] = (),
    series: IdSeries | None = None,
    into: list[NewInvocation] | None = None,
) -> list[DistributedInvocation[Params, Result]]:
    """Submit calls of one task; several are a group, which is kept until its last member is past its time.

    Args:
        task: The task.
        calls: The bound arguments of each call.
        options: Where, when and how long they run.
        common: Arguments that all calls share; serialized once.
        identities: For each call its identity, if that follows from a cause.
        series: Where to take ids from, if the group has members that are submitted at another time.
        into: Where to put the invocations of calls that no other can stand for, which the caller submits.

    Raises:
        SerializationError: An argument cannot be serialized; nothing was stored.
        InvocationConcurrencyWithDifferentArgumentsError: One with the same key and other
            arguments waits, and the task refuses that.
        PartlySubmittedError: It failed after the first batch; the error holds what was accepted.
    """
    if not calls:
        return []
    components, conf = task.app.components, task.conf
    inline = conf.disable_cache_args
    if common:
        packed = _pack_with_common(components.values, calls, common, inline)
    else:
        packed = components.values.pack_arguments(calls, inline)
    runner, caller = current_runner.get() or components.client_identity, current_invocation.get()
    if components.runners.registered.get(runner.runner_id, 0.0) <= time.monotonic():
        components.runners.ensure_runner_registered(runner)
    now, inherited = components.now(), current_headers.get()
    circumstances = _Circumstances(
        task,
        options,
        runner.runner_id,
        caller.invocation_id if caller is not None else None,
        caller.workflow if caller is not None else None,
        current_trigger_depth.get(),
        now,
        options.not_before(now) if options.delay_s or options.eta is not None else 0.0,
        options.headers if inherited is None else merged_headers(inherited, options.headers),
    )
    if not identities and (series is not None or len(calls) > 1):
        identities = _members(series or IdSeries(), len(calls))
    size = conf.parallel_batch_size or len(calls)
    handles: list[DistributedInvocation[Params, Result]] = []
    for start in range(0, len(calls), size):
        batch = calls[start : start + size]
        texts, own = packed[start : start + size], identities[start : start + size]
        try:
            if task.has_keys or options.workflow_id is not None:
                handles += _submit_with_keys(components, task, circumstances, batch, texts, own, into)
                continue
            new: list[NewInvocation] = []
            made: list[DistributedInvocation[Params, Result]] = []
            for at, arguments in enumerate(batch):
                one, workflow = _new_invocation(circumstances, texts[at], NO_KEYS, own[at] if own else None)
                new.append(one)
                made.append(
                    DistributedInvocation(one.data.invocation_id, task, arguments, workflow, one.state)
                )
            if into is None:
                submit(components, new)
            else:
                into += new
        except Exception as error:
            if handles:
                raise PartlySubmittedError(handles, len(calls)) from error
            raise
        handles += made
    return handles


def _members(series: IdSeries, count: int) -> list[DerivedIdentity]:
    ids, group = series.take(count), str(series)
    return [DerivedIdentity(each, group=group) for each in ids]


def _pack_with_common(
    values: ValueCodec, calls: Sequence[Bound], common: Mapping[str, Any], inline: Sequence[str]
) -> list[PackedArguments]:
    """Pack calls whose common arguments are serialized once for all of them."""
    (shared,) = values.pack_arguments([common], inline)
    own = [  # an item may have a value of its own in place of a common one
        {name: value for name, value in call.items() if name not in shared or value is not common[name]}
        for call in calls
    ]
    return [{**shared, **arguments} for arguments in values.pack_arguments(own, inline)]


def _new_invocation(
    given: _Circumstances, packed: PackedArguments, keys: CallKeys, identity: DerivedIdentity | None
) -> tuple[NewInvocation, WorkflowIdentity]:
    conf, task_key, depth = given.task.conf, given.task.key, given.depth
    invocation_id = new_id() if identity is None else identity.invocation_id
    headers = given.headers
    if identity is not None:
        depth = depth if identity.depth is None else identity.depth
        if identity.headers is not None:
            headers = merged_headers(identity.headers, headers)
    workflow = given.workflow
    if workflow is None or conf.force_new_workflow:
        parent_id = workflow.workflow_id if workflow is not None else None
        workflow = WorkflowIdentity(invocation_id, task_key, parent_id)
    data = InvocationData(
        invocation_id,
        task_key,
        msgspec.json.encode(packed).decode(),
        given.now,
        workflow.workflow_id,
        workflow.workflow_type,
        workflow.parent_id,
        given.caller_id,
        given.submitter_id,
        given.options.timeout,
        identity.run_id if identity is not None else None,
        depth or None,
        workflow.parent_id if workflow.workflow_id == invocation_id else workflow.workflow_id,
        DECLARED if conf.force_new_workflow else None,
        given.options.tags,
        headers,
    )
    state = InvocationState(
        invocation_id,
        task_key,
        InvocationStatus.REGISTERED,
        changed_at=given.now,
        since=max(given.now, given.not_before),
        not_before=given.not_before,
        queue=given.options.queue,
        priority=given.options.priority,
        slot_key=keys.slot_key,
        waits_for_slot=int(conf.reroute_on_concurrency_control),
        registration_key=keys.registration_key,
        cache_key=keys.cache_key,
        is_workflow=int(conf.force_new_workflow),
        is_pinned=int(conf.pin_version),
        cancels_children=int(
            conf.force_new_workflow if conf.cancel_children is None else conf.cancel_children
        ),
        group=identity.group if identity is not None else None,
        workflow_status=InvocationStatus.REGISTERED.value if conf.force_new_workflow else None,
        is_tagged=int(given.options.tags is not None),
    )
    return NewInvocation(data, state), workflow


# --- calls that are compared with others -------------------------------------------------


def _submit_with_keys(
    components: Components,
    task: BaseTask[Params, Result],
    given: _Circumstances,
    calls: Sequence[Bound],
    packed: Sequence[PackedArguments],
    identities: Sequence[DerivedIdentity],
    into: list[NewInvocation] | None,
) -> list[DistributedInvocation[Params, Result]]:
    """Submit calls unless an equal one waits, or the result of an equal one is kept."""
    keys = [keys_of(task, texts) for texts in packed]
    if given.options.is_named:  # such a call is only ever equal to another with its name
        name = given.options.workflow_id
        registration_key = None if name is None else name_key(name)
        keys = [CallKeys(slot_key=own.slot_key, registration_key=registration_key) for own in keys]
    handles = _cached(components, task, calls, keys)
    at_once: list[NewInvocation] = []
    for at, (call, texts, own) in enumerate(zip(calls, packed, keys, strict=True)):
        if handles[at] is not None:
            continue
        new, workflow = _new_invocation(given, texts, own, identities[at] if identities else None)
        reused: DistributedInvocation[Params, Result] | None = None
        if given.options.workflow_id is not None:
            reused = _named(components, task, new, call, given.options)
        elif own.registration_key is None:
            at_once.append(new)
        else:
            reused = _registered(components, task, new, call, texts)
        handles[at] = reused or DistributedInvocation(new.data.invocation_id, task, call, workflow, new.state)
    if into is not None:
        into += at_once
    elif at_once:
        submit(components, at_once)
    return [handle for handle in handles if handle is not None]


def _cached(
    components: Components, task: BaseTask[Params, Result], calls: Sequence[Bound], keys: Sequence[CallKeys]
) -> list[DistributedInvocation[Params, Result] | None]:
    """Return handles on earlier invocations for calls whose result is known."""
    if not task.conf.call_result_cache:
        return [None] * len(keys)
    states = find_cached(components, [each.cache_key or "" for each in keys])
    found = [state.invocation_id for state in states if state is not None]
    data = {
        each.invocation_id: each
        for each in components.state_backend.read_invocations(found)
        if each is not None
    }
    return [
        None
        if state is None or state.invocation_id not in data
        else DistributedInvocation(
            state.invocation_id, task, call, WorkflowIdentity.of(data[state.invocation_id]), state
        )
        for state, call in zip(states, calls, strict=True)
    ]


def _named(
    components: Components,
    task: BaseTask[Params, Result],
    new: NewInvocation,
    call: Bound,
    options: CallOptions,
) -> DistributedInvocation[Params, Result]:
    """Start a workflow under a name, and return a handle on the one that has it now."""
    data, state, is_new = start_named(components, new, options, task.keys)
    if not is_new:
        (call,) = components.values.unpack_arguments([data.arguments])
    return DistributedInvocation(data.invocation_id, task, call, WorkflowIdentity.of(data), state)


def _registered(
    components: Components,
    task: BaseTask[Params, Result],
    new: NewInvocation,
    call: Bound,
    packed: PackedArguments,
) -> ReusedInvocation[Params, Result] | None:
    """Submit an invocation unless an equal one waits, and return a handle on that."""
    conf = task.conf
    if conf.debounce is not None:
        due = max(new.state.not_before, new.data.created_at + conf.debounce)
        state = msgspec.structs.replace(new.state, not_before=due, since=due)
        new = NewInvocation(new.data, state)
    while True:
        waiting = submit_registered(components, new, conf.throttle, conf.debounce is not None)
        if waiting is None:
            return None
        (data,) = components.state_backend.read_invocations([waiting.invocation_id])
        if data is not None:
            different = _different(task, data, waiting, packed)
            refused = {name: call.get(name, task.binder.defaults.get(name)) for name in different}
            if different:
                (call,) = components.values.unpack_arguments([data.arguments])
            workflow = WorkflowIdentity.of(data)
            return ReusedInvocation(waiting.invocation_id, task, call, workflow, waiting, refused)


def _different(
    task: BaseTask[..., Any], data: InvocationData, waiting: InvocationState, packed: PackedArguments
) -> tuple[str, ...]:
    """Return the names of the arguments in which a call differs from the one that waits."""
    values = task.app.components.values
    theirs = values.same_contents(decode_arguments(data.arguments))
    ours = values.same_contents(packed)
    different = tuple(
        sorted(name for name in theirs.keys() | ours.keys() if theirs.get(name) != ours.get(name))
    )
    by_keys = task.conf.registration_concurrency == ConcurrencyControlType.KEYS
    if different and task.conf.on_diff_non_key_args_raise:
        raise InvocationConcurrencyWithDifferentArgumentsError(
            f"invocation {waiting.invocation_id} of task {task.task_id} waits already "
            f"{'with the same key arguments ' if by_keys else ''}and differs in: {', '.join(different)}. "
            f"Nothing was submitted."
        )
    return different
