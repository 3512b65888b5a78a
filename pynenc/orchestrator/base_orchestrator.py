"""The interface of orchestrators: who keeps the status records.

An orchestrator compares and sets; what may be set is decided in the core.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

import msgspec

from pynenc.conf.base_config import PynencConfig
from pynenc.conf.config_orchestrator import ConfigOrchestrator
from pynenc.invocation.state import Change, ChangeOutcome, HistoryEntry, InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.plugins.component import DataComponent
from pynenc.storage.group import Group, Pending
from pynenc.storage.operations import Cursor
from pynenc.storage.subscription import Subscription


class Slot(msgspec.Struct, frozen=True):
    """A key and the claim of an invocation that holds it.

    Attributes:
        slot_key: What is held.
        invocation_id: Who holds it.
        claim: Under which claim number it holds it, or will when it is claimed next.
    """

    slot_key: str = msgspec.field(name="key")
    invocation_id: str
    claim: int


class SlotSwap(msgspec.Struct, frozen=True):
    """A change of one slot: None before inserts it, None after deletes it."""

    before: Slot | None
    after: Slot | None


class Waiter(msgspec.Struct, frozen=True):
    """An invocation that stands in line for a slot.

    Attributes:
        waiter_id: See `waiter`.
        slot_key: For which slot.
        invocation_id: Who.
        claim: Its claim number when it was blocked.
        at: Its place in the line: when it was made, in seconds since the epoch.
    """

    waiter_id: str = msgspec.field(name="key")
    slot_key: str
    invocation_id: str
    claim: int
    at: float


def waiter(state: InvocationState, slot_key: str, at: float) -> Waiter:
    """The place in line of an invocation that was blocked under its current claim."""
    key = f"{slot_key}:{state.invocation_id}:{state.claim}"
    return Waiter(key, slot_key, state.invocation_id, state.claim, at)


class BaseOrchestrator(DataComponent):
    """Keeps the status records, the signs of life of runners, and wakes who waits."""

    config_class: ClassVar[type[PynencConfig]] = ConfigOrchestrator
    conf: ConfigOrchestrator

    # --- records -----------------------------------------------------------------------

    @abstractmethod
    def register(self, states: Sequence[InvocationState], actor_id: str | None) -> list[bool]:
        """Insert records that are absent; `actor_id` goes into their history."""

    @abstractmethod
    def change(self, changes: Sequence[Change], actor_id: str | None) -> list[ChangeOutcome]:
        """Compare and set records, each atomically, and append to their history.

        A change is made if status, owner, claim number and the fields in `also` are as in `current`; it
        sets those fields in which `target` differs.
        """

    @abstractmethod
    def read(self, invocation_ids: Sequence[str]) -> list[InvocationState | None]:
        """Records in order, None where there is none."""

    @abstractmethod
    def histories(self, invocation_ids: Sequence[str]) -> list[list[HistoryEntry]]:
        """All statuses that records have had, oldest first; nothing for unknown ones."""

    def history(self, invocation_id: str) -> list[HistoryEntry]:
        """All statuses that a record has had, oldest first; nothing if it is unknown."""
        return self.histories([invocation_id])[0]

    @abstractmethod
    def find(
        self,
        status: InvocationStatus,
        before: float | None = None,
        limit: int = 100,
        after: Cursor | None = None,
        newest_first: bool = False,
    ) -> list[InvocationState]:
        """Records with a status, by the time since which it counts.

        Args:
            status: Which status.
            before: Only those in it since before this time, in seconds since the epoch.
            limit: Most to return.
            after: Continue behind this one (its `since` and id).
            newest_first: Turn the order round.
        """

    @abstractmethod
    def count(self, status: InvocationStatus) -> int:
        """How many records have a status."""

    @abstractmethod
    def delete(self, states: Sequence[InvocationState]) -> None:
        """Delete records that are still as given."""

    # --- slots -------------------------------------------------------------------------

    @abstractmethod
    def read_slots(self, slot_keys: Sequence[str]) -> list[Slot | None]:
        """Slots in order, None where nobody holds one."""

    @abstractmethod
    def swap_slots(self, swaps: Sequence[SlotSwap]) -> list[bool]:
        """Compare and set slots, each atomically; whether each was done."""

    @abstractmethod
    def add_waiters(self, waiters: Sequence[Waiter]) -> None:
        """Put invocations in line for a slot; one that stands there already is left alone."""

    @abstractmethod
    def first_waiters(self, slot_key: str, limit: int) -> list[Waiter]:
        """The head of the line for a slot."""

    @abstractmethod
    def drop_waiters(self, waiters: Sequence[Waiter]) -> None:
        """Take invocations out of the line; those that are not there are fine."""

    # --- signals -----------------------------------------------------------------------

    @abstractmethod
    def subscribe(
        self, invocation_ids: Iterable[str], on_wake: Callable[[], None] | None = None
    ) -> Subscription:
        """Listen for the end of invocations; the channel of each is its id."""

    @abstractmethod
    def announce(self, invocation_ids: Sequence[str]) -> None:
        """Wake who listens to these invocations. Best effort."""

    # --- runners -----------------------------------------------------------------------

    @abstractmethod
    def heartbeat(self, runner_ids: Sequence[str], moment: float) -> None:
        """Note that runners were alive at a moment, in seconds since the epoch."""

    @abstractmethod
    def silent_runners(self, before: float, limit: int = 100) -> list[str]:
        """Runners whose last sign of life is older than a moment, oldest first."""

    @abstractmethod
    def last_heartbeats(self, runner_ids: Sequence[str]) -> list[float | None]:
        """The last sign of life of each, None for those unknown."""

    @abstractmethod
    def live_runners(self, since: float, limit: int = 1000) -> list[str]:
        """Runners that gave a sign of life at this moment or later."""

    @abstractmethod
    def forget_runners(self, runner_ids: Sequence[str]) -> None:
        """Drop the signs of life of runners that have ended."""

    # --- the engine --------------------------------------------------------------------

    @abstractmethod
    def now(self) -> float:
        """Seconds since the epoch by the clock that all runners share."""

    # An orchestrator on a storage overrides these, so that they travel with the writes of others.

    def stage_register(
        self, group: Group, states: Sequence[InvocationState], actor_id: str | None
    ) -> Pending[list[bool]]:
        """Register as a step of a group."""
        return group.call(lambda: self.register(states, actor_id))

    def stage_change(
        self, group: Group, changes: Sequence[Change], actor_id: str | None
    ) -> Pending[list[ChangeOutcome]]:
        """Change as a step of a group."""
        return group.call(lambda: self.change(changes, actor_id))

    def stage_read(
        self, group: Group, invocation_ids: Sequence[str]
    ) -> Pending[list[InvocationState | None]]:
        """Read as a step of a group."""
        return group.call(lambda: self.read(invocation_ids))

    def stage_announce(self, group: Group, invocation_ids: Sequence[str]) -> None:
        """Announce as a step of a group."""
        group.call(lambda: self.announce(invocation_ids))
