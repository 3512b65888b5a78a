"""Retrying by hand: the same call once more, and for a workflow on from what it has recorded."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import msgspec

from pynenc.calls.interfaces import App, BaseInvocation, current_invocation
from pynenc.client.resubmitting import copy_of, takes_over
from pynenc.client.workflow_names import stored_under
from pynenc.context import get_current_runner
from pynenc.exceptions import InvocationError, WorkflowUsageError
from pynenc.identifiers.ids import new_id
from pynenc.identifiers.texts import error_text
from pynenc.invocation.data import InvocationData
from pynenc.invocation.state import Change, InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.new_invocation import NewInvocation
from pynenc.lifecycle.parking import signal_invocations
from pynenc.lifecycle.waiting import Ended, RaisedError, load_results
from pynenc.state_backend.workflow_records import Step, WorkflowValue, step_id, value_id
from pynenc.workflow.attempts import CANCELLED, EarlierAttempts, path_and_attempt
from pynenc.workflow.journal import StoredJournal
from pynenc.workflow.run import CHILD
from pynenc.workflow.saga import COMPENSATES

_S = InvocationStatus


def retry_invocation(app: App, invocation_id: str, from_step: str | None = None) -> BaseInvocation[..., Any]:
    """Make the call of an invocation that has ended once more, as a new invocation.

    That of a workflow that has failed goes on from what is recorded: what was done is not done again,
    but for the step or child that failed. If the workflow has compensated, or was cancelled, it begins
    anew. One that is blocked because no code fits it is tried again at once and stays the same.

    Args:
        app: The app.
        invocation_id: Which invocation.
        from_step: The first step, or child, that is done again, by its name; what is recorded before
            it is kept, and nothing behind it.

    Raises:
        InvocationNotFoundError: It is not stored.
        InvocationError: It has not ended, and is not blocked.
        WorkflowUsageError: There is no such step.
    """
    components = app.components
    data, state = stored_under(components, invocation_id)
    invocation_id = data.invocation_id
    is_blocked = state.is_parked and state.blocked_since > 0
    if not (state.status.final or is_blocked):
        raise InvocationError(
            f"invocation {invocation_id} of task {state.task_id} is {state.status}; only what has ended, or "
            f"is blocked because no code fits it, can be retried"
        )
    steps = StoredJournal(components, invocation_id, data.workflow_id, state.generation).current_steps()
    if is_blocked:
        if from_step is not None:
            kept = {step.step_id for step in _before(steps, _named(steps, from_step, invocation_id))}
            components.state_backend.delete_steps(
                [step.step_id for step in steps if step.step_id not in kept]
            )
        signal_invocations(components, [invocation_id], get_current_runner().runner_id, _unchanged)
        return app.get_invocation(invocation_id)
    if from_step is not None:
        steps = _before(steps, _named(steps, from_step, invocation_id))
    else:
        steps = _before_failure(components, state, steps)
    return app.get_invocation(_submit_again(components, data, state, steps))


def _unchanged(state: InvocationState) -> dict[str, float]:
    return {"events": state.events}


def _named(steps: Sequence[Step], name: str, invocation_id: str) -> Step:
    """Return the first step of the last attempt with a name, or the child of a task with it."""
    last = max((path_and_attempt(step.branch)[1] for step in steps), default=0)
    for step in steps:
        if path_and_attempt(step.branch)[1] == last and name in (step.name, step.name.rpartition(".")[2]):
            return step
    known = sorted({step.name for step in steps if step.name})
    raise WorkflowUsageError(
        f"invocation {invocation_id} has recorded no step '{name}'; it has: {', '.join(known) or 'none'}"
    )


def _before(steps: Sequence[Step], cut: Step) -> list[Step]:
    """Return the steps of the attempt of `cut` that come before it."""
    path, attempt = path_and_attempt(cut.branch)

    def is_before(step: Step) -> bool:
        own_path, own_attempt = path_and_attempt(step.branch)
        if own_attempt != attempt:
            return False
        return step.index < cut.index if own_path == path else step.at < cut.at

    return [step for step in steps if is_before(step)]


def _before_failure(components: Components, state: InvocationState, steps: Sequence[Step]) -> list[Step]:
    """Return what a retry of a workflow that has ended goes on from."""
    if state.status != _S.FAILED or any(step.kind == CANCELLED or step.name == COMPENSATES for step in steps):
        return []
    (outcome,) = load_results(components, [Ended(state)])
    if not isinstance(outcome, RaisedError):
        return list(steps)
    failure = _told(outcome.error)
    for step in reversed(steps):  # the last: a body may have handled such an error before
        error = _error_of(components, step)
        if error is not None and _told(error) == failure:
            path, attempt = path_and_attempt(step.branch)
            behind = [
                each
                for each in steps
                if path_and_attempt(each.branch) == (path, attempt) and each.index >= step.index
            ]
            return [each for each in steps if each not in behind]
    return list(steps)


def _error_of(components: Components, step: Step) -> BaseException | None:
    """Return what a step raised, or the child that it started."""
    if step.is_error:
        return components.values.unpack_error(step.payload)
    if step.kind != CHILD:
        return None
    (child,) = components.orchestrator.read_states(components.values.unpack_results([step.payload]))
    if child is None or not child.status.final or child.status == _S.SUCCESS:
        return None
    (outcome,) = load_results(components, [Ended(child)])
    return outcome.error if isinstance(outcome, RaisedError) else None


def _told(error: BaseException) -> tuple[str, str]:
    return type(error).__name__, error_text(error)


def _submit_again(
    components: Components, data: InvocationData, state: InvocationState, steps: Sequence[Step]
) -> str:
    """Submit a call once more, with a record to go on from; the id of the new invocation."""
    invocation_id, caller = new_id(), current_invocation.get()
    submitter_id = components.runners.ensure_runner_registered(get_current_runner())
    parent_id = caller.invocation_id if caller is not None else None
    new = copy_of(components, data, state, invocation_id, submitter_id, parent_id)
    if steps:
        begun = msgspec.structs.replace(new.state, retries=1, has_steps=1, code_version=state.code_version)
        copies, values = _copies(new.data, steps), _values(components, data, new.data)
        new = NewInvocation(new.data, begun, copies, values)
    takes_over(components, new, state)
    if steps:  # what it has started is kept as long as the new one may ask for it
        kept = msgspec.structs.replace(state, retried_as=invocation_id)
        components.orchestrator.change([Change(state, kept)], None)
    return invocation_id


def _copies(new: InvocationData, steps: Sequence[Step]) -> list[Step]:
    """Return steps as those of an attempt before the first of a new invocation."""
    numbers: dict[str, count[int]] = {}
    copies: list[Step] = []
    for step in sorted(EarlierAttempts(steps).left, key=lambda each: (each.at, each.index)):
        path, _ = path_and_attempt(step.branch)
        index = next(numbers.setdefault(path, count()))
        copies.append(
            msgspec.structs.replace(
                step,
                step_id=step_id(new.invocation_id, 0, path, index),
                invocation_id=new.invocation_id,
                generation=0,
                branch=path,
                index=index,
            )
        )
    return copies


def _values(components: Components, old: InvocationData, new: InvocationData) -> list[WorkflowValue]:
    """Return the data of a workflow for the one that repeats it; none where both share it."""
    if new.workflow_id == old.workflow_id:
        return []
    return [
        msgspec.structs.replace(
            value, value_id=value_id(new.workflow_id, value.name), workflow_id=new.workflow_id
        )
        for value in components.state_backend.find_values(old.workflow_id)
    ]
