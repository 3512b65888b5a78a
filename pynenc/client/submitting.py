"""From calls to accepted invocations: packing arguments and handing over in batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pynenc.calls.call_options import CallOptions
from pynenc.calls.interfaces import Call, current_invocation
from pynenc.client.call_keys import NO_KEYS, CallKeys, has_keys, keys_of
from pynenc.client.dist_invocation import DistributedInvocation, ReusedInvocation
from pynenc.conf.config_task import ConcurrencyControlType
from pynenc.context import current_trigger_depth, get_current_runner
from pynenc.exceptions import InvocationConcurrencyWithDifferentArgumentsError
from pynenc.identifiers.ids import new_id
from pynenc.invocation.data import InvocationData
from pynenc.invocation.state import InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.invocation.workflow_identity import WorkflowIdentity
from pynenc.lifecycle.submission import NewInvocation, find_cached, submit, submit_registered
from pynenc.lifecycle.values import PackedArguments, decode_arguments, encode_arguments
from pynenc.types import Params, Result

if TYPE_CHECKING:
    from pynenc.app import Pynenc


class DerivedIdentity(NamedTuple):
    """Where an invocation comes from whose id follows from that.

    Attributes:
        invocation_id: The id that it gets; one that is known already changes nothing.
        run_id: The run of a trigger that starts it, if one does.
        depth: How many triggers in a row led to it; None for as many as to the one that submits it.
    """

    invocation_id: str
    run_id: str | None = None
    depth: int | None = None


def submit_calls(
    app: Pynenc,
    calls: Sequence[Call[Params, Result]],
    options: CallOptions,
    common: Mapping[str, Any] | None = None,
    origins: Sequence[DerivedIdentity] = (),
) -> list[DistributedInvocation[Params, Result]]:
    """Submit calls of one task.

    Args:
        app: Where to.
        calls: The calls, all of the same task.
        options: Where, when and how long they run.
        common: Arguments that all calls share; serialized once.
        origins: For each call where it comes from, if nobody makes it.

    Raises:
        SerializationError: An argument cannot be serialized; nothing was stored.
        InvocationConcurrencyWithDifferentArgumentsError: One with the same key and other
            arguments waits, and the task refuses that.
    """
    if not calls:
        return []
    conf = calls[0].task.conf
    size = conf.parallel_batch_size or len(calls)
    batches = [calls[start : start + size] for start in range(0, len(calls), size)]
    shared = app.components.values.pack_arguments([common], conf.disable_cache_args)[0] if common else {}
    packed = [_pack(app, batch, common or {}, shared) for batch in batches]
    invocations: list[DistributedInvocation[Params, Result]] = []
    for number, (batch, arguments) in enumerate(zip(batches, packed, strict=True)):
        own = origins[number * size : (number + 1) * size]
        invocations += _Batch(app, batch, arguments, options, own).submit()
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
    packed = app.components.values.pack_arguments(own, calls[0].task.conf.disable_cache_args)
    return [{**shared, **arguments} for arguments in packed] if shared else packed


class _Batch:
    """Calls of one task that are submitted in one go."""

    def __init__(
        self,
        app: Pynenc,
        calls: Sequence[Call[Any, Any]],
        packed: Sequence[PackedArguments],
        options: CallOptions,
        origins: Sequence[DerivedIdentity] = (),
    ) -> None:
        self._origins = iter(origins)
        self._app = app
        self._calls = calls
        self._packed = packed
        self._task = calls[0].task
        self._caller = current_invocation.get()
        self._submitter_id = app.ensure_runner_registered(get_current_runner()).runner_id
        self._options = options
        self._now = app.orchestrator.now()
        self._not_before = options.not_before(self._now)

    def submit(self) -> list[DistributedInvocation[Any, Any]]:
        if not has_keys(self._task):
            new = [self._new(arguments, NO_KEYS) for arguments in self._packed]
            submit(self._app.components, new)
            return [self._handle(each, call) for each, call in zip(new, self._calls, strict=True)]
        handles = self._cached(keys := [keys_of(self._task, packed) for packed in self._packed])
        at_once: list[NewInvocation] = []
        for at, (call, packed, call_keys) in enumerate(zip(self._calls, self._packed, keys, strict=True)):
            if handles[at] is not None:
                continue
            new_one = self._new(packed, call_keys)
            if call_keys.registration_key is None:
                at_once.append(new_one)
                handles[at] = self._handle(new_one, call)
            else:
                handles[at] = self._registered(new_one, call, packed)
        if at_once:
            submit(self._app.components, at_once)
        return [handle for handle in handles if handle is not None]

    def _cached(self, keys: Sequence[CallKeys]) -> list[DistributedInvocation[Any, Any] | None]:
        """Handles on earlier invocations for calls whose result is known."""
        if not self._task.conf.call_result_cache:
            return [None] * len(keys)
        states = find_cached(self._app.components, [each.cache_key or "" for each in keys])
        found = [state.invocation_id for state in states if state is not None]
        data = {
            each.invocation_id: each
            for each in self._app.state_backend.read_invocations(found)
            if each is not None
        }
        return [
            None
            if state is None or state.invocation_id not in data
            else DistributedInvocation(
                state.invocation_id, call, WorkflowIdentity.of(data[state.invocation_id]), state
            )
            for state, call in zip(states, self._calls, strict=True)
        ]

    def _new(self, packed: PackedArguments, keys: CallKeys) -> NewInvocation:
        task, options, caller = self._task, self._options, self._caller
        origin = next(self._origins, None)
        invocation_id, key = origin.invocation_id if origin else new_id(), task.task_id.key
        workflow = WorkflowIdentity.for_new(
            invocation_id, key, caller.workflow if caller else None, task.conf.force_new_workflow
        )
        data = InvocationData(
            invocation_id,
            key,
            encode_arguments(packed),
            self._now,
            workflow.workflow_id,
            workflow.workflow_type,
            workflow.parent_id,
            caller.invocation_id if caller else None,
            self._submitter_id,
            options.timeout,
            origin.run_id if origin else None,
            self._depth(origin),
        )
        state = InvocationState(
            invocation_id,
            key,
            InvocationStatus.REGISTERED,
            changed_at=self._now,
            since=max(self._now, self._not_before),
            not_before=self._not_before,
            queue=options.queue,
            priority=options.priority,
            slot_key=keys.slot_key,
            waits_for_slot=int(task.conf.reroute_on_concurrency_control),
            registration_key=keys.registration_key,
            cache_key=keys.cache_key,
            is_workflow=int(task.conf.force_new_workflow),
        )
        return NewInvocation(data, state)

    @staticmethod
    def _depth(origin: DerivedIdentity | None) -> int | None:
        given = origin.depth if origin else None
        return (current_trigger_depth.get() if given is None else given) or None

    def _handle(self, new: NewInvocation, call: Call[Any, Any]) -> DistributedInvocation[Any, Any]:
        workflow = WorkflowIdentity.of(new.data)
        return DistributedInvocation(new.data.invocation_id, call, workflow, new.state)

    def _registered(
        self, new: NewInvocation, call: Call[Any, Any], packed: PackedArguments
    ) -> DistributedInvocation[Any, Any]:
        """A handle on the new invocation, or on the equal one that waits already."""
        while True:
            waiting = submit_registered(self._app.components, new)
            if waiting is None:
                return self._handle(new, call)
            (data,) = self._app.state_backend.read_invocations([waiting.invocation_id])
            if data is not None:
                return self._reuse(data, waiting, call, packed)

    def _reuse(
        self, data: InvocationData, waiting: InvocationState, call: Call[Any, Any], packed: PackedArguments
    ) -> ReusedInvocation[Any, Any]:
        theirs = decode_arguments(data.arguments)
        names = theirs.keys() | packed.keys()
        different = tuple(sorted(name for name in names if theirs.get(name) != packed.get(name)))
        conf = self._task.conf
        by_keys = conf.registration_concurrency == ConcurrencyControlType.KEYS
        if different and conf.on_diff_non_key_args_raise:
            raise InvocationConcurrencyWithDifferentArgumentsError(
                f"invocation {waiting.invocation_id} of task {self._task.task_id} waits already "
                f"{'with the same key arguments ' if by_keys else ''}and differs in: {', '.join(different)}. "
                f"Nothing was submitted."
            )
        return ReusedInvocation(waiting.invocation_id, call, WorkflowIdentity.of(data), waiting, different)
