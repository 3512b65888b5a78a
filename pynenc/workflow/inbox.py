"""Events that were sent to an invocation: each look reads what is new."""

from __future__ import annotations

from collections.abc import Sequence

from pynenc.lifecycle.components import Components
from pynenc.state_backend.workflow_records import WorkflowEvent

_OVERLAP_S = 2.0
"""An event may be written so much later than its own time says."""


class Inbox:
    """The events of one invocation, as one run of its body knows them.

    Its record counts each event after it was written. So what was counted since the last look must be
    found among what is new; if it is not, everything is read again.

    Args:
        components: The components.
        invocation_id: Whose events.
    """

    def __init__(self, components: Components, invocation_id: str) -> None:
        self._components = components
        self._invocation_id = invocation_id
        self._known: dict[str, WorkflowEvent] = {}
        self._unused: list[WorkflowEvent] = []
        self._counted: int | None = None

    def read(self, counted: int) -> Sequence[WorkflowEvent]:
        """Return the events that are not used up, oldest first.

        Args:
            counted: How many the record of the invocation counted before.
        """
        if self._counted is None:
            self._read_all()
        elif counted != self._counted:
            before = len(self._known)
            since = max((event.at for event in self._known.values()), default=0.0) - _OVERLAP_S
            self._note(self._components.state_backend.find_events(self._invocation_id, since))
            if len(self._known) - before < counted - self._counted:
                self._read_all()
        self._counted = counted
        return self._unused

    def _read_all(self) -> None:
        self._known.clear()
        self._note(self._components.state_backend.find_events(self._invocation_id))

    def _note(self, events: Sequence[WorkflowEvent]) -> None:
        self._known.update((event.event_id, event) for event in events)
        unused = (event for event in self._known.values() if not event.is_used)
        self._unused = sorted(unused, key=lambda event: (event.at, event.event_id))
