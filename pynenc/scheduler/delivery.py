"""Delivery of events to the bodies that wait for them.

A body that waits says so in the trigger store, with its filter. Evaluation copies each event that
fits into what was sent to the invocation, under an id that derives from both, and wakes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import msgspec

from pynenc.identifiers.texts import shown
from pynenc.invocation.state import InvocationState
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.parking import signal_invocations
from pynenc.state_backend.workflow_records import WorkflowEvent
from pynenc.trigger.base_trigger import BaseTrigger
from pynenc.trigger.conditions.base import Filter
from pynenc.trigger.filters import passes
from pynenc.trigger.plain_values import from_stored, to_stored
from pynenc.trigger.records import EVENT, EventWait, Occurrence

_FUNCTION = "$function"  # in what version 0.1 has stored
_ACTOR = "triggers"


def stored_filter(filter: Filter | None) -> str:
    """Return a filter as JSON text; empty if all events are to be delivered and the body sorts them.

    That is so for functions, too: stored text never names code to run.
    """
    if filter is None or callable(filter):
        return ""
    try:
        return msgspec.json.encode(to_stored(filter, _no_function)).decode()
    except TypeError:
        return ""


def _restored_filter(text: str) -> Filter | None:
    if not text:
        return None
    found: dict[str, Any] = msgspec.json.decode(text)
    return None if _FUNCTION in found else from_stored(found, lambda value: None)


def _no_function(function: object) -> NoReturn:
    raise TypeError("a stored filter names no code")


def deliver(store: BaseTrigger, components: Components, occurrences: Sequence[Occurrence]) -> None:
    """Send events to the invocations that wait for them."""
    by_code: dict[str, list[Occurrence]] = {}
    for occurrence in occurrences:
        if occurrence.kind == EVENT:
            by_code.setdefault(occurrence.code, []).append(occurrence)
    for code, events in by_code.items():
        waits = store.find_waits(code)
        if waits:
            _deliver_to(store, components, waits, events)


def _deliver_to(
    store: BaseTrigger, components: Components, waits: Sequence[EventWait], events: Sequence[Occurrence]
) -> None:
    states = components.orchestrator.read_states([wait.invocation_id for wait in waits])
    over = [
        wait.wait_id for wait, state in zip(waits, states, strict=True) if state is None or state.status.final
    ]
    if over:
        store.delete_waits(over)
    pending = [wait for wait in waits if wait.wait_id not in set(over)]
    payloads: list[tuple[Occurrence, Mapping[str, Any]]] = [
        (event, msgspec.json.decode(event.payload)) for event in events
    ]
    sent: dict[str, WorkflowEvent] = {}
    counts: Counter[str] = Counter()
    awake: set[str] = set()
    buffered: dict[str, int] = {}
    for wait in pending:
        try:
            filter = _restored_filter(wait.filter)
        except (msgspec.MsgspecError, ValueError, TypeError) as error:
            components.logger.error("the filter of wait %s cannot be read: %s", wait.wait_id, error)
            filter = None
        fitting = [event for event, payload in payloads if _passes(components, wait, filter, payload)]
        room = max(0, store.conf.max_buffered_events - wait.buffered)
        if len(fitting) > room:
            components.logger.error(
                "%d event(s) '%s' were not delivered to %s, which has %d of them before it and takes none; "
                "see the setting 'max_buffered_events'",
                len(fitting) - room,
                wait.code,
                wait.invocation_id,
                wait.buffered,
            )
        for event in fitting[:room]:
            key = f"{wait.invocation_id}/{event.occurrence_id}"
            counts[wait.invocation_id] += key not in sent
            if wait.is_active:
                awake.add(wait.invocation_id)
            sent[key] = WorkflowEvent(key, wait.invocation_id, event.code, event.payload, event.at)
            buffered[wait.wait_id] = buffered.get(wait.wait_id, wait.buffered) + 1
    if sent:
        components.state_backend.save_events(list(sent.values()))
        store.note_buffered(buffered)

        def count(state: InvocationState) -> Mapping[str, float]:
            return {"events": state.events + counts[state.invocation_id]}

        for ids, wakes in ((awake, True), (counts.keys() - awake, False)):
            signal_invocations(components, sorted(ids), _ACTOR, count, wakes)


def _passes(
    components: Components, wait: EventWait, filter: Filter | None, payload: Mapping[str, Any]
) -> bool:
    try:
        return passes(filter, payload)
    except BaseException as error:  # noqa: BLE001 - a function of the user's; the body looks again
        components.logger.warning("the filter of a wait of %s failed: %s", wait.invocation_id, shown(error))
        return True
