"""The services of the app to workflows, which stand on a lower floor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from pynenc.trigger.conditions.base import Filter
from pynenc.workflow.journal import Place


class WorkflowRuntime(Protocol):
    """The services of the app to the workflow of one invocation."""

    invocation_id: str
    generation: int

    def start(self, task: Any, args: Any, kwargs: Any, invocation_id: str) -> Any:
        """Submit a child under an id; nothing happens if it is known already."""

    def handle(self, task: Any, args: Any, kwargs: Any, invocation_id: str) -> Any:
        """Return a handle on a child that was submitted before."""

    def continue_with(self, args: Any, kwargs: Any, used_events: Sequence[str]) -> None:
        """Store the arguments with which the invocation continues as new, and which events are used up."""

    def send(self, invocation_id: str, code: str, payload: Mapping[str, Any] | None, event_id: str) -> str:
        """Send an event to another invocation under an id; the id."""

    def expect(self, place: Place, code: str, filter: Filter | None) -> None:
        """Have events delivered that are emitted for anybody."""

    def expect_no_more(self, place: Place, code: str, filter: Filter | None, left: int) -> None:
        """Have them kept for the next wait, of which so many are there already."""

    def parked_child(self, invocation_ids: Sequence[str]) -> tuple[str, float] | None:
        """Return one of these that is parked and whose end wakes the invocation: its id and when it was made.

        None if there is none, or if one of them has ended already.
        """

    def events_counted(self) -> int:
        """Return how many events were sent to the invocation, as its record counts them."""

    def announce(self, channels: Sequence[str]) -> None:
        """Wake whoever listens to channels."""

    def ended(self, invocation_ids: Sequence[str]) -> set[str]:
        """Return which of some children have ended; one that is not stored any more has."""

    def fresh(self, child: Any) -> Any:
        """Return a handle on a child that reads its status anew."""

    def waiting(self, invocation_ids: Sequence[str]) -> AbstractContextManager[object]:
        """Give up the slot of the runner while the body waits for children that run."""

    def subscribe(
        self, wake: Callable[[], None], children: Sequence[str] = ()
    ) -> AbstractContextManager[object]:
        """Hear of events that are sent to the invocation, and of the end of children."""


class UnreachableRuntime:
    """The part of a runtime of an invocation that nobody can reach: it gets no events and cannot wait."""

    def expect(self, place: Place, code: str, filter: Filter | None) -> None:
        """Do nothing: nothing can come."""

    def expect_no_more(self, place: Place, code: str, filter: Filter | None, left: int) -> None:
        """Do nothing: nothing was expected."""

    def parked_child(self, invocation_ids: Sequence[str]) -> tuple[str, float] | None:
        """Return None: none is parked."""
        return None

    def events_counted(self) -> int:
        """Return 0: none was sent."""
        return 0

    def announce(self, channels: Sequence[str]) -> None:
        """Do nothing: nobody listens."""

    def fresh(self, child: Any) -> Any:
        """Return the handle: it knows how the child has ended."""
        return child

    def subscribe(
        self, wake: Callable[[], None], children: Sequence[str] = ()
    ) -> AbstractContextManager[object]:
        """Return a context in which nothing is heard."""
        return nullcontext()
