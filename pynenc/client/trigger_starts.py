"""Starting the tasks of triggers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from typing import Any

from pynenc.calls.call_options import CallOptions
from pynenc.calls.interfaces import App, BaseTask
from pynenc.client.submitting import DerivedIdentity, submit_calls
from pynenc.exceptions import PynencError, StorageUnavailableError
from pynenc.identifiers.ids import new_id
from pynenc.identifiers.texts import error_text
from pynenc.scheduler.firing import Firing, MatchedTrigger, Start
from pynenc.scheduler.problems import Problems
from pynenc.trigger.conditions.event import EventCondition, EventContext
from pynenc.trigger.definition import ArgumentProvider, TriggerDefinition
from pynenc.trigger.records import BY_HAND, Occurrence, TriggerRun


def start_tasks(app: App, starts: Sequence[Start]) -> list[str | None]:
    """Start tasks; what `Starter` promises."""
    reasons: list[str | None] = []
    for task_id, some in groupby(starts, lambda each: each.task_id):
        reasons += _start_some(app, task_id, list(some))
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
    )


def fire_by_hand(
    app: App,
    trigger_id: str,
    payload: Mapping[str, Any] | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> TriggerRun:
    """Start the task of a trigger now, though nothing has occurred and even if it is paused.

    Args:
        app: Whose trigger.
        trigger_id: Its id, or the beginning of it.
        payload: What an event would carry, if the trigger waits for events.
        arguments: The arguments, in place of those that the trigger would make.

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
    occurrence = Occurrence(new_id(), BY_HAND, stored.trigger_id, "{}", now)
    moment = datetime.fromtimestamp(now, UTC)
    parts = [
        EventContext(occurrence.occurrence_id, condition.code, payload or {}, moment)
        for condition in definition.conditions
        if isinstance(condition, EventCondition) and payload is not None
    ]
    met = MatchedTrigger(stored.trigger_id, definition, parts, [occurrence], "fired by hand", 0)
    firing = replace(firing_of(app), retry_s=0.0)  # the one who asked for it sees what went wrong
    return firing.carry_out([met])[0]


def _start_some(app: App, task_id: str, starts: Sequence[Start]) -> list[str | None]:
    try:
        task = app.find_task(task_id)
    except PynencError as error:
        return [str(error)] * len(starts)
    reasons: list[str | None] = [None] * len(starts)
    good: list[tuple[int, dict[str, Any]]] = []
    for at, start in enumerate(starts):
        try:
            good.append((at, task.binder.bind((), _arguments(task, start))))
        except TypeError as error:
            reasons[at] = str(error)
    try:
        _submit(task, [(starts[at], call) for at, call in good])
    except StorageUnavailableError:
        raise
    except Exception:  # noqa: BLE001 - a hook or a value of the user's
        for at, call in good:  # one of them is to blame: each by itself
            try:
                _submit(task, [(starts[at], call)])
            except StorageUnavailableError:
                raise
            except Exception as error:  # noqa: BLE001 - it is told of the one that is to blame
                reasons[at] = error_text(error)
    return reasons


def _submit(task: BaseTask[..., Any], some: Sequence[tuple[Start, dict[str, Any]]]) -> None:
    identities = [DerivedIdentity(start.invocation_id, start.run_id, start.depth) for start, _ in some]
    submit_calls(task, [call for _, call in some], CallOptions.of(task.conf), identities=identities)


def _arguments(task: BaseTask[..., Any], start: Start) -> dict[str, Any]:
    if start.arguments is not None:
        return dict(start.arguments)
    names = task.binder.signature.parameters
    return {name: value for name, value in start.offered.items() if name in names}
