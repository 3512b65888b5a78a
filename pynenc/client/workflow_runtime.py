"""Workflows of running invocations: between the recorded operations and the app."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar, cast

from pynenc.calls.interfaces import App, BaseInvocation, Submittable
from pynenc.client.dist_invocation import DistributedInvocation
from pynenc.client.inline_invocation import ConcurrentInvocation
from pynenc.client.submitting import DerivedIdentity, submit_calls
from pynenc.client.workflow_names import latest_state
from pynenc.context import get_current_runner, running_runner
from pynenc.exceptions import WorkflowUsageError
from pynenc.identifiers.ids import derived_id, new_id
from pynenc.interruption import Interruption, current_interruption
from pynenc.invocation.workflow_identity import WorkflowIdentity
from pynenc.lifecycle.cancellation import end_children
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.parking import event_channel, signal_invocations
from pynenc.lifecycle.storage_retry import retry_while_unavailable
from pynenc.lifecycle.values import encode_arguments
from pynenc.scheduler.delivery import stored_filter
from pynenc.state_backend.workflow_records import ARGUMENTS, Step, WorkflowEvent, step_id
from pynenc.storage.group import Group
from pynenc.storage.subscription import Subscription
from pynenc.trigger.conditions.base import Filter
from pynenc.trigger.records import EventWait, event_text
from pynenc.workflow.context import WorkflowContext
from pynenc.workflow.coroutine_waits import AsyncWaits
from pynenc.workflow.journal import Journal, Place, StoredJournal, TransientJournal
from pynenc.workflow.run import DurableRun
from pynenc.workflow.runtime import UnreachableRuntime, WorkflowRuntime

T = TypeVar("T")


class StoredRuntime:
    """Does for the workflow of a stored invocation what needs the app; waits while a storage is away."""

    def __init__(self, app: App, invocation: DistributedInvocation[..., Any], generation: int) -> None:
        self._app = app
        self._invocation = invocation
        self.invocation_id = invocation.invocation_id
        self.generation = generation
        self._waiting: defaultdict[str, set[Place]] = defaultdict(set)

    def _retry(self, act: Callable[[], T]) -> T:
        return retry_while_unavailable(self._app.logger, act)

    def end_children(self) -> None:
        """Cancel what the invocation has started, if its record says so."""
        actor_id = get_current_runner().runner_id
        self._retry(lambda: end_children(self._app.components, self.invocation_id, actor_id))

    def start(self, task: Any, args: Any, kwargs: Any, invocation_id: str) -> Any:
        call, options = _bound(task, args, kwargs), task.call_options
        identities = [DerivedIdentity(invocation_id)]
        return self._retry(lambda: submit_calls(task.base_task, [call], options, identities=identities)[0])

    def handle(self, task: Any, args: Any, kwargs: Any, invocation_id: str) -> Any:
        base = task.base_task
        workflow = WorkflowIdentity.for_new(
            invocation_id, base.task_id.key, self._invocation.workflow, base.conf.force_new_workflow
        )
        return DistributedInvocation(invocation_id, base, _bound(task, args, kwargs), workflow)

    def continue_with(self, args: Any, kwargs: Any, used_events: Sequence[str]) -> None:
        bound = self._invocation.task.binder.bind(args, kwargs)
        self._retry(lambda: self._save_arguments(bound))
        if used_events:
            self._retry(lambda: self._app.components.state_backend.use_events(used_events))

    def _save_arguments(self, bound: dict[str, Any]) -> None:
        components, task = self._app.components, self._invocation.task
        (packed,) = components.values.pack_arguments([bound], task.conf.disable_cache_args)
        following = self.generation + 1
        key = step_id(self.invocation_id, following, ARGUMENTS, 0)
        text = encode_arguments(packed)
        step = Step(
            key, self.invocation_id, following, ARGUMENTS, 0, ARGUMENTS, "", text, 0, components.now()
        )
        components.state_backend.save_steps([step])

    def send(self, invocation_id: str, code: str, payload: Mapping[str, Any] | None, event_id: str) -> str:
        return self._retry(lambda: send_event(self._app.components, invocation_id, code, payload, event_id))

    def expect(self, place: Place, code: str, filter: Filter | None) -> None:
        text = stored_filter(filter)
        wait_id = self._wait_id(code, text)
        if not self._waiting[wait_id]:
            self._retry(lambda: self._save_wait(wait_id, code, text))
        self._waiting[wait_id].add(place)

    def _save_wait(self, wait_id: str, code: str, text: str) -> None:
        wait = EventWait(wait_id, code, self.invocation_id, text, self._app.components.now())
        self._app.components.trigger.save_waits([wait])

    def expect_no_more(self, place: Place, code: str, filter: Filter | None, left: int) -> None:
        wait_id = self._wait_id(code, stored_filter(filter))
        self._waiting[wait_id].discard(place)
        if not self._waiting[wait_id]:  # no coroutine beside waits for the same
            self._retry(lambda: self._app.components.trigger.end_wait(wait_id, left))

    def _wait_id(self, code: str, text: str) -> str:
        return f"{self.invocation_id}/{derived_id('wait', code, text)}"

    def parked_child(self, invocation_ids: Sequence[str]) -> tuple[str, float] | None:
        return self._retry(lambda: self._parked_child(invocation_ids))

    def _parked_child(self, invocation_ids: Sequence[str]) -> tuple[str, float] | None:
        components = self._app.components
        states = components.orchestrator.read_states(invocation_ids)
        if any(state is None or state.status.final for state in states):
            return None
        parked = [state.invocation_id for state in states if state is not None and state.is_parked]
        for data in components.state_backend.read_invocations(parked):
            if data is not None and data.parent_invocation_id == self.invocation_id:
                return data.invocation_id, data.created_at
        return None

    def events_counted(self) -> int:
        (state,) = self._retry(lambda: self._app.components.orchestrator.read_states([self.invocation_id]))
        return state.events if state is not None else 0

    def announce(self, channels: Sequence[str]) -> None:
        group = Group()
        self._app.components.orchestrator.stage_announce(group, channels)
        self._retry(group.send)

    def ended(self, invocation_ids: Sequence[str]) -> set[str]:
        if not invocation_ids:
            return set()
        states = self._retry(lambda: self._app.components.orchestrator.read_states(invocation_ids))
        pairs = zip(invocation_ids, states, strict=True)
        return {each for each, state in pairs if state is None or state.status.final}

    def fresh(self, child: Any) -> Any:
        if isinstance(child, DistributedInvocation):
            child.expire()
        return child

    def waiting(self, invocation_ids: Sequence[str]) -> AbstractContextManager[object]:
        running = running_runner.get()
        return running.waiting(invocation_ids) if running is not None and invocation_ids else nullcontext()

    def subscribe(self, wake: Callable[[], None], children: Sequence[str] = ()) -> Subscription:
        channels = [event_channel(self.invocation_id), *children]
        return self._app.components.orchestrator.subscribe(channels, wake)


class InlineRuntime(UnreachableRuntime):
    """Does the same for an invocation that runs where it was called."""

    def __init__(self, invocation: ConcurrentInvocation[..., Any]) -> None:
        self._invocation = invocation
        self.invocation_id = invocation.invocation_id
        self.generation = 0

    def start(self, task: Any, args: Any, kwargs: Any, invocation_id: str) -> Any:
        return task(*args, **kwargs)

    def handle(self, task: Any, args: Any, kwargs: Any, invocation_id: str) -> Any:
        return next(each for each in self._invocation.started if each.invocation_id == invocation_id)

    def continue_with(self, args: Any, kwargs: Any, used_events: Sequence[str]) -> None:
        self._invocation.continue_with(self._invocation.task.binder.bind(args, kwargs))

    def send(self, invocation_id: str, code: str, payload: Mapping[str, Any] | None, event_id: str) -> str:
        return send_event(self._invocation.task.app.components, invocation_id, code, payload, event_id)

    def ended(self, invocation_ids: Sequence[str]) -> set[str]:
        return set(invocation_ids)

    def waiting(self, invocation_ids: Sequence[str]) -> AbstractContextManager[object]:
        return nullcontext()


def _bound(task: Submittable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return task.base_task.binder.bind(tuple(args), dict(kwargs))


def latest_arguments(components: Components, invocation_id: str, generation: int) -> str | None:
    """Return the arguments with which an invocation has continued as new, if it has."""
    if not generation:
        return None
    (step,) = components.state_backend.read_steps([step_id(invocation_id, generation, ARGUMENTS, 0)])
    return step.payload if step is not None else None


def workflow_of(invocation: BaseInvocation[..., Any]) -> WorkflowContext:
    """Return the workflow of an invocation whose body runs; the same for the whole run."""
    if invocation.body_record is None:
        with _lock:
            if invocation.body_record is None:
                invocation.body_record = _open(invocation)
    return cast(WorkflowContext, invocation.body_record)


_lock = threading.Lock()


def _open(invocation: BaseInvocation[..., Any]) -> WorkflowContext:
    app, interruption = invocation.task.app, current_interruption.get() or Interruption()
    journal: Journal
    runtime: WorkflowRuntime
    if isinstance(invocation, DistributedInvocation) and invocation.claimed is not None:
        state, workflow_id = invocation.claimed, invocation.workflow.workflow_id
        journal = StoredJournal(
            app.components, invocation.invocation_id, workflow_id, state.generation, state.retries
        )
        flags = bool(state.is_workflow), bool(state.cancel_requested)
        runtime = StoredRuntime(app, invocation, state.generation)
        run = DurableRun(journal, interruption, *flags, state.retries, runtime.end_children)
        park_after_s = app.conf.workflow_park_after_seconds
    elif isinstance(invocation, ConcurrentInvocation):
        if invocation.journal is None:
            invocation.journal = TransientJournal(app.inline_records.values(invocation.workflow.workflow_id))
        journal = invocation.journal
        journal.attempt = invocation.num_retries
        run = DurableRun(journal, interruption, False, False, invocation.num_retries)
        runtime = InlineRuntime(invocation)
        park_after_s = float("inf")
    else:
        raise WorkflowUsageError(f"invocation {invocation.invocation_id} does not run here")
    waits = AsyncWaits(run, park_after_s, journal.now)
    return WorkflowContext(invocation.workflow, run, runtime, waits, park_after_s)


def send_event(
    components: Components,
    invocation_id: str,
    code: str,
    payload: Mapping[str, Any] | None = None,
    event_id: str | None = None,
) -> str:
    """Send an event to an invocation; `wait_event` in its body gives it.

    Args:
        components: The components of its app.
        invocation_id: To whom, by its id or the name of a workflow.
        code: What kind of event.
        payload: Values that JSON can hold.
        event_id: Its id, if the same event may be sent more than once and is to count once.

    Returns:
        The id of the event.

    Raises:
        InvocationNotFoundError: No invocation with this id is stored.
        WorkflowUsageError: It has ended, and the event was not sent before.
        SerializationError: The payload cannot be written as JSON; nothing is stored.
    """
    text = event_text(code, payload)
    state = latest_state(components, invocation_id)
    invocation_id = state.invocation_id
    own_id = event_id or new_id()
    key = f"{invocation_id}/{own_id}"
    if state.status.final:
        if event_id and any(
            event.event_id == key for event in components.state_backend.find_events(invocation_id)
        ):
            return own_id  # it was sent before, and only the answer was lost
        raise WorkflowUsageError(
            f"invocation {invocation_id} of task {state.task_id} has ended as {state.status}, so event "
            f"'{code}' would reach nobody"
        )
    components.state_backend.save_events([WorkflowEvent(key, invocation_id, code, text, components.now())])
    actor_id = get_current_runner().runner_id
    signal_invocations(components, [invocation_id], actor_id, lambda state: {"events": state.events + 1})
    return own_id
