"""Starting the tasks of triggers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

from pynenc.calls.call_options import CallOptions
from pynenc.calls.interfaces import App, BaseTask
from pynenc.client.submitting import DerivedIdentity, submit_calls
from pynenc.exceptions import InvocationError, PynencError, StorageUnavailableError
from pynenc.identifiers.ids import derived_id, new_id
from pynenc.identifiers.texts import error_text
from pynenc.lifecycle.new_invocation import NewInvocation
from pynenc.lifecycle.submission import submit
from pynenc.scheduler.firing import Firing, MatchedTrigger, Start
from pynenc.scheduler.problems import Problems
from pynenc.trigger.conditions.event import EventCondition, EventContext
from pynenc.trigger.definition import ArgumentProvider, TriggerDefinition
from pynenc.trigger.records import BY_HAND, Occurrence, RunState, TriggerRun

_BATCH = 1_000
"""How many starts of different tasks are handed over at once."""


def start_tasks(app: App, starts: Sequence[Start]) -> list[str | None]:
    """Start tasks, those of all tasks together where nothing forbids it; what `Starter` promises."""
    reasons: list[str | None] = []
    together: list[_Bound] = []
    headers = _headers_of(app, starts)
    for task_id, some in groupby(starts, lambda each: each.task_id):
        bound = _bind(app, task_id, list(some), len(reasons), reasons, headers)
        if bound is None:
            continue
        if bound.task.has_keys:
            _start_one_task(bound, reasons)
        else:
            together.append(bound)
    _start_together(app, together, reasons)
    return reasons


def firing_of(app: App) -> Firing:
    """Return what fires the triggers of an app."""
    store = app.components.trigger
    return Firing(
        store,
        partial(start_tasks, app),
        store.conf.max_trigger_depth,
        app.logger,
        Problems(store, app.logger),
        store.conf.trigger_retry_seconds,
        app.components.recorder,
    )


def fire_by_hand(
    app: App,
    trigger_id: str,
    payload: Mapping[str, Any] | None = None,
    arguments: Mapping[str, Any] | None = None,
    cause: str | None = None,
) -> TriggerRun:
    """Start the task of a trigger now, though nothing has occurred and even if it is paused.

    Args:
        app: Whose trigger.
        trigger_id: Its id, or the beginning of it.
        payload: What an event would carry, if the trigger waits for events.
        arguments: The arguments, in place of those that the trigger would make.
        cause: What it is fired for, if that may happen more than once and is to count once.

    Returns:
        What came of it.

    Raises:
        TriggerNotFoundError: There is no such trigger.
    """
    store = app.components.trigger
    stored = store.get_definition(trigger_id)
    definition = app.live_trigger(stored) or TriggerDefinition.restored(stored)
    if arguments is not None:
        definition = replace(definition, providers=(ArgumentProvider("static", dict(arguments)),))
    now = store.now()
    occurrence_id = new_id() if cause is None else derived_id("fired", stored.trigger_id, cause)
    occurrence = Occurrence(occurrence_id, BY_HAND, stored.trigger_id, "{}", now)
    moment = datetime.fromtimestamp(now, UTC)
    parts = [
        EventContext(occurrence.occurrence_id, condition.code, payload or {}, moment)
        for condition in definition.conditions
        if isinstance(condition, EventCondition) and payload is not None
    ]
    met = MatchedTrigger(stored.trigger_id, definition, parts, [occurrence], "fired by hand", 0)
    firing = replace(firing_of(app), retry_s=0.0)  # the one who asked for it sees what went wrong
    return firing.carry_out([met])[0]


def fire_for_job(app: App, trigger_id: str, payload: Mapping[str, Any] | None, cause: str) -> str:
    """Start the task of a trigger once for a cause; return what came of it.

    Raises:
        InvocationError: It could not be started.
        TriggerNotFoundError: There is no such trigger.
    """
    run = fire_by_hand(app, trigger_id, payload, cause=cause)
    if run.state != RunState.FIRED:
        raise InvocationError(f"the task '{run.task_id}' was not started: {run.reason}")
    return f"it has started invocation {run.invocation_id}"


class _Bound(NamedTuple):
    """Starts of one task whose arguments fit it: where their reasons are, and each with its arguments."""

    task: BaseTask[..., Any]
    places: list[int]
    calls: list[tuple[Start, dict[str, Any]]]
    headers: Mapping[str, str | None]


def _headers_of(app: App, starts: Sequence[Start]) -> dict[str, str | None]:
    """Return the headers that starts inherit, by the invocations that led to them, in one read."""
    sources = list(dict.fromkeys(each.source_id for each in starts if each.source_id is not None))
    found = app.components.state_backend.read_invocations(sources) if sources else []
    return {each.invocation_id: each.headers for each in found if each is not None}


def _bind(
    app: App,
    task_id: str,
    starts: Sequence[Start],
    first: int,
    reasons: list[str | None],
    headers: Mapping[str, str | None],
) -> _Bound | None:
    """Bind the arguments of starts of one task; append a reason for each, or None for one that fits."""
    try:
        task = app.find_task(task_id)
    except PynencError as error:
        reasons += [str(error)] * len(starts)
        return None
    bound = _Bound(task, [], [], headers)
    for at, start in enumerate(starts, first):
        try:
            bound.calls.append((start, task.binder.bind((), _arguments(task, start))))
        except TypeError as error:
            reasons.append(str(error))
        else:
            bound.places.append(at)
            reasons.append(None)
    return bound


def _start_together(app: App, together: Sequence[_Bound], reasons: list[str | None]) -> None:
    """Start the tasks of many triggers in one submission; if that fails, task by task."""
    while together:
        some: list[_Bound] = []
        size = 0
        for each in together:
            if some and size + len(each.calls) > _BATCH:
                break
            some.append(each)
            size += len(each.calls)
        together = together[len(some) :]
        if len(some) == 1:
            _start_one_task(some[0], reasons)
            continue
        try:
            new: list[NewInvocation] = []
            for each in some:
                _submit(each, each.calls, new)
            submit(app.components, new)
        except StorageUnavailableError:
            raise
        except Exception:  # noqa: BLE001 - a hook or a value of the user's
            for each in some:
                _start_one_task(each, reasons)


def _start_one_task(bound: _Bound, reasons: list[str | None]) -> None:
    """Start a task; if that fails, call by call, so that the reason is told of the one that is to blame."""
    try:
        _submit(bound, bound.calls)
    except StorageUnavailableError:
        raise
    except Exception:  # noqa: BLE001 - a hook or a value of the user's
        for place, call in zip(bound.places, bound.calls, strict=True):
            try:
                _submit(bound, [call])
            except StorageUnavailableError:
                raise
            except Exception as error:  # noqa: BLE001 - it is told of the one that is to blame
                reasons[place] = error_text(error)


def _submit(
    bound: _Bound,
    some: Sequence[tuple[Start, dict[str, Any]]],
    into: list[NewInvocation] | None = None,
) -> None:
    task, headers = bound.task, bound.headers
    identities = [
        DerivedIdentity(
            start.invocation_id, start.run_id, start.depth, headers=headers.get(start.source_id or "")
        )
        for start, _ in some
    ]
    calls = [call for _, call in some]
    submit_calls(task, calls, CallOptions.of(task.conf), identities=identities, into=into)


def _arguments(task: BaseTask[..., Any], start: Start) -> dict[str, Any]:
    if start.arguments is not None:
        return dict(start.arguments)
    names = task.binder.signature.parameters
    return {name: value for name, value in start.offered.items() if name in names}
