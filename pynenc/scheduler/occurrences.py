"""Occurrences of the kind `status`: their content and their ids."""

from __future__ import annotations

import msgspec

from pynenc.identifiers.ids import derived_id
from pynenc.invocation.state import InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.trigger.records import STATUS, Occurrence


class StatusPayload(msgspec.Struct, frozen=True):
    """The content of an occurrence of the kind `status`."""

    invocation_id: str
    status: InvocationStatus
    claim: int


def status_occurrence(state: InvocationState) -> Occurrence:
    """Return the occurrence of a status; its id derives from what has occurred."""
    payload = StatusPayload(state.invocation_id, state.status, state.claim)
    occurrence_id = derived_id(STATUS, state.invocation_id, state.status, str(state.claim))
    text = msgspec.json.encode(payload).decode()
    return Occurrence(occurrence_id, STATUS, state.task_id, text, state.changed_at)
