"""Notes changes of status that a trigger waits for, in the same go as the change itself.

The occurrence is written before the change, so a crash between the two leaves an occurrence of
something that did not happen; whoever evaluates it asks the record.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec

from pynenc.identifiers.ids import derived_id
from pynenc.invocation.state import InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.scheduler.catalog import TriggerCatalog
from pynenc.storage.group import Group
from pynenc.trigger.base_trigger import BaseTrigger
from pynenc.trigger.records import STATUS, Occurrence

KNOWN_FOR_S = 15.0
"""How long a process may not know of a trigger that another has registered."""


class StatusPayload(msgspec.Struct, frozen=True):
    """The content of an occurrence of the kind `status`."""

    invocation_id: str
    status: InvocationStatus
    claim: int


class StatusWatch:
    """Stages the occurrences of an app.

    Args:
        catalog: Who waits for what.
        store: Gives the store.
    """

    def __init__(self, catalog: TriggerCatalog, store: Callable[[], BaseTrigger]) -> None:
        self._catalog = catalog
        self._store = store

    def stage(self, group: Group, targets: Sequence[InvocationState]) -> None:
        """Note that records are about to get these states, as a step of a group."""
        catalog = self._catalog
        if time.monotonic() - catalog.read_at >= KNOWN_FOR_S:
            catalog.refresh(KNOWN_FOR_S)
        if not catalog.awaits_statuses:
            return
        noted = [_occurrence(each) for each in targets if catalog.is_of_interest(each.task_id, each.status)]
        if noted:
            self._store().stage_occurrences(group, noted)


def _occurrence(state: InvocationState) -> Occurrence:
    payload = StatusPayload(state.invocation_id, state.status, state.claim)
    occurrence_id = derived_id(STATUS, state.invocation_id, state.status, str(state.claim))
    text = msgspec.json.encode(payload).decode()
    return Occurrence(occurrence_id, STATUS, state.task_id, text, state.changed_at)
