"""Acting on invocations: cancel, run again, delete. Nothing that is stored is deserialized."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from pynenc.client.resubmitting import copy_of, submit_copy
from pynenc.exceptions import InvocationError, InvocationNotFoundError
from pynenc.identifiers.ids import derived_id
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.cancellation import cancel
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.new_invocation import NewInvocation
from pynenc.lifecycle.retention import purge_some
from pynenc.state_backend.action_records import JobKind

_S = InvocationStatus


class Outcome(NamedTuple):
    """The outcome of an action on one invocation.

    Attributes:
        invocation_id: Which.
        is_done: Whether it was acted on; else there was nothing to do.
        text: What came of it, in words.
    """

    invocation_id: str
    is_done: bool
    text: str


def act_on(components: Components, kind: JobKind, ids: Sequence[str], cause: str) -> list[Outcome]:
    """Act on invocations; what is not stored, or in another status, is left alone.

    The same action with the same cause has its effect once, however often it is repeated.

    Args:
        components: The components.
        kind: What is done: `CANCEL`, `AGAIN` or `PURGE`.
        ids: To which.
        cause: The id of that for which it is done, from which the ids of new invocations follow.
    """
    if kind == JobKind.CANCEL:
        return _cancel(components, ids)
    if kind == JobKind.PURGE:
        return _purge(components, ids)
    return [_again(components, each, cause) for each in ids]


def act_on_one(components: Components, kind: JobKind, invocation_id: str, cause: str) -> str:
    """Act on an invocation; return what came of it, in words.

    Raises:
        InvocationNotFoundError: It is not stored.
        InvocationError: There is nothing to do, because of the status that it is in.
    """
    (state,) = components.orchestrator.read_states([invocation_id])
    if state is None:
        raise InvocationNotFoundError(invocation_id)
    (outcome,) = act_on(components, kind, [invocation_id], cause)
    if not outcome.is_done:
        raise InvocationError(f"invocation {invocation_id}: {outcome.text}")
    return outcome.text


def _actor_id(components: Components) -> str:
    return components.runners.ensure_runner_registered(components.client_identity)


def _cancel(components: Components, ids: Sequence[str]) -> list[Outcome]:
    before = components.orchestrator.read_states(ids)
    open_ids = [each.invocation_id for each in before if each is not None and not each.status.final]
    if open_ids:
        try:
            cancel(components, open_ids, _actor_id(components))
        except InvocationNotFoundError:  # purged between
            left = components.orchestrator.read_states(open_ids)
            open_ids = [each.invocation_id for each in left if each is not None]
            cancel(components, open_ids, _actor_id(components))
    after = components.orchestrator.read_states(ids)
    outcomes: list[Outcome] = []
    for invocation_id, state in zip(ids, after, strict=True):
        if state is None:
            outcomes.append(Outcome(invocation_id, False, "it is not stored any more"))
        elif state.status == _S.CANCELLED:
            outcomes.append(Outcome(invocation_id, True, "it is cancelled"))
        elif state.status.final:
            outcomes.append(Outcome(invocation_id, False, f"it had ended as {state.status}"))
        else:
            outcomes.append(Outcome(invocation_id, True, "it was asked to end"))
    return outcomes


def _purge(components: Components, ids: Sequence[str]) -> list[Outcome]:
    states = components.orchestrator.read_states(ids)
    final = [each for each in states if each is not None and each.status.final]
    purged = {each.invocation_id for each in purge_some(components, final)}
    outcomes: list[Outcome] = []
    for invocation_id, state in zip(ids, states, strict=True):
        if state is None or invocation_id in purged:
            outcomes.append(Outcome(invocation_id, True, "it is deleted"))
        elif not state.status.final:
            outcomes.append(Outcome(invocation_id, False, f"it has not ended, it is {state.status}"))
        else:
            text = "a workflow that goes on, or a group, needs it"
            outcomes.append(Outcome(invocation_id, False, text))
    return outcomes


def _again(components: Components, invocation_id: str, cause: str) -> Outcome:
    new_id = derived_id("again", cause, invocation_id)
    (data,) = components.state_backend.read_invocations([invocation_id])
    old, made = components.orchestrator.read_states([invocation_id, new_id])
    if made is not None:
        return Outcome(invocation_id, True, f"it runs again as {new_id}")
    if data is None or old is None:
        return Outcome(invocation_id, False, "it is not stored any more")
    if not old.status.final:
        return Outcome(invocation_id, False, f"it has not ended, it is {old.status}")
    new = _on_its_own(copy_of(components, data, old, new_id, _actor_id(components)))
    stands_for = submit_copy(components, new, old)
    if stands_for is not None and stands_for.invocation_id != new_id:
        return Outcome(invocation_id, False, f"an equal call waits already: {stands_for.invocation_id}")
    return Outcome(invocation_id, True, f"it runs again as {new_id}")


def _on_its_own(new: NewInvocation) -> NewInvocation:
    """Return a call as the root of a workflow of its own, whoever has submitted the one before."""
    data = msgspec.structs.replace(
        new.data,
        workflow_id=new.data.invocation_id,
        workflow_type=new.data.task_id,
        parent_workflow_id=None,
        family=None,
    )
    return NewInvocation(data, new.state)
