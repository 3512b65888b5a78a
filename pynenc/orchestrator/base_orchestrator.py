"""The interface of orchestrators: who keeps the status records.

An orchestrator compares and sets; what may be set is decided in the core.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import ClassVar, Literal

import msgspec

from pynenc.conf.base_config import PynencConfig
from pynenc.conf.config_orchestrator import ConfigOrchestrator
from pynenc.invocation.state import (
    ChangeOutcome,
    HistoryEntry,
    InvocationState,
    Registration,
    Removal,
    StateChange,
)
from pynenc.invocation.status import InvocationStatus
from pynenc.plugins.component import DataComponent
from pynenc.storage.group import Group, Pending
from pynenc.storage.operations import Cursor, Index
from pynenc.storage.record_store import Lookup, RecordSpec, RecordStore, Remove, Save, swap, upserts
from pynenc.storage.subscription import Subscription

_PAGE = 500


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


def _statuses_of(lookup: StateLookup) -> Sequence[InvocationStatus]:
    """Return the statuses of the records that a lookup may find."""
    if lookup.field == "failed_task":
        return (InvocationStatus.FAILED,)
    if lookup.field == "error_type":
        return (InvocationStatus.FAILED, InvocationStatus.RETRY, InvocationStatus.PENDING)
    return (InvocationStatus(lookup.value),)


def waiter(state: InvocationState, slot_key: str, at: float) -> Waiter:
    """Return the place in line of an invocation that was blocked under its current claim."""
    key = f"{slot_key}:{state.invocation_id}:{state.claim}"
    return Waiter(key, slot_key, state.invocation_id, state.claim, at)


class Heartbeat(msgspec.Struct, frozen=True):
    """The last heartbeat of a runner, in seconds since the epoch."""

    runner_id: str = msgspec.field(name="key")
    at: float


class Life(msgspec.Struct, frozen=True):
    """The statuses that an invocation has had.

    Attributes:
        invocation_id: Which one.
        task_id: Key of its task.
        since: From when its status counts, in seconds since the epoch.
        changed_at: When its status was set.
        entries: All statuses that it has had, oldest first, each with when it was set, in seconds since the
            epoch, and the runner that did.
    """

    invocation_id: str
    task_id: str
    since: float
    changed_at: float
    entries: list[tuple[InvocationStatus, float, str | None]]


class StateLookup(msgspec.Struct, frozen=True):
    """A question for status records, by the time since which their status counts.

    Attributes:
        field: Which field has the value; what each holds, `InvocationState` says.
        value: The value.
        low: The smallest time (inclusive), in seconds since the epoch.
        high: The bound of the time (exclusive).
        newest_first: Whether the latest come first.
    """

    field: Literal["status", "failed_task", "error_type", "workflow_status"]
    value: str
    low: float | None = None
    high: float | None = None
    newest_first: bool = True


class BaseOrchestrator(DataComponent, RecordStore):
    """Keeps the status records and the heartbeats of runners, and wakes who waits.

    An author implements `change`, `read_states`, `histories` and `find_states` for the status records,
    `write`, `read` and `find` for the small records in `records`, and `subscribe`, `announce`, `now` and
    `purge`.
    """

    config_class: ClassVar[type[PynencConfig]] = ConfigOrchestrator
    conf: ConfigOrchestrator
    records = (
        RecordSpec(Heartbeat, "heartbeat", (Index((), "at"),)),
        RecordSpec(Slot, "slot"),
        RecordSpec(Waiter, "waiter", (Index(("slot_key",), "at"),)),
    )

    # --- status records ------------------------------------------------------------------

    @abstractmethod
    def change(self, changes: Sequence[StateChange], actor_id: str | None) -> list[ChangeOutcome]:
        """Compare and set status records, each atomically, and append to their history.

        A `Change` is made if status, owner, claim number and the fields in `also` are as in `current`;
        it sets those fields in which `target` differs. A `Registration` inserts a record that is
        absent, a `Removal` deletes one.

        Args:
            changes: The changes.
            actor_id: Who makes them, for the history.
        """

    @abstractmethod
    def read_states(self, invocation_ids: Sequence[str]) -> list[InvocationState | None]:
        """Return status records in order, None where there is none."""

    @abstractmethod
    def histories(self, invocation_ids: Sequence[str]) -> list[list[HistoryEntry]]:
        """Return all statuses that records have had, oldest first; nothing for unknown ones."""

    @abstractmethod
    def find_states(
        self,
        status: InvocationStatus,
        before: float | None = None,
        limit: int = 100,
        after: Cursor | None = None,
        newest_first: bool = False,
    ) -> list[InvocationState]:
        """Return records with a status, by the time since which it counts.

        Args:
            status: Which status.
            before: Only those in it since before this time, in seconds since the epoch.
            limit: The largest number to return.
            after: Continue behind this one (its `since` and id).
            newest_first: Turn the order round.
        """

    def history(self, invocation_id: str) -> list[HistoryEntry]:
        """Return all statuses that a record has had, oldest first; nothing if it is unknown."""
        return self.histories([invocation_id])[0]

    def look_up(self, lookup: StateLookup, limit: int, after: Cursor | None = None) -> list[InvocationState]:
        """Return the first records that a lookup finds.

        Args:
            lookup: The question.
            limit: The largest number to return.
            after: Continue behind this one (its `since` and id).
        """
        found = [
            state for status in _statuses_of(lookup) for state in self._walk(status, lookup, limit, after)
        ]
        found.sort(key=lambda each: (each.since, each.invocation_id), reverse=lookup.newest_first)
        return found[:limit]

    def look_up_lives(self, lookup: StateLookup, limit: int, after: Cursor | None = None) -> list[Life]:
        """Return the histories of the first records that a lookup finds.

        Args:
            lookup: The question.
            limit: The largest number to return.
            after: Continue behind this one (its `since` and id).
        """
        states = self.look_up(lookup, limit, after)
        found = self.histories([each.invocation_id for each in states])
        return [
            Life(
                each.invocation_id,
                each.task_id,
                each.since,
                each.changed_at,
                [(entry.status, entry.timestamp.timestamp(), entry.runner_id) for entry in entries],
            )
            for each, entries in zip(states, found, strict=True)
        ]

    def _walk(
        self, status: InvocationStatus, lookup: StateLookup, limit: int, after: Cursor | None
    ) -> Iterator[InvocationState]:
        """Return the records with a status that a lookup finds, looking at one after another."""
        while limit:
            page = self.find_states(status, lookup.high, _PAGE, after, lookup.newest_first)
            for state in page:
                is_below = lookup.low is not None and state.since < lookup.low
                if is_below and lookup.newest_first:
                    return
                if not is_below and getattr(state, lookup.field) == lookup.value:
                    yield state
                    limit -= 1
                    if not limit:
                        return
            if len(page) < _PAGE:
                return
            after = Cursor(page[-1].since, page[-1].invocation_id)

    def count_many_states(self, lookups: Sequence[StateLookup], limit: int) -> list[int]:
        """Return how many records each lookup finds; each count stops at `limit`."""
        return [len(self.look_up(each, limit)) for each in lookups]

    def count_states(self, status: InvocationStatus) -> int:
        """Return how many records have a status."""
        count, after = 0, None
        while page := self.find_states(status, limit=_PAGE, after=after):
            count += len(page)
            after = Cursor(page[-1].since, page[-1].invocation_id)
        return count

    def register(self, states: Sequence[InvocationState], actor_id: str | None) -> list[bool]:
        """Insert records that are absent; `actor_id` goes into their history."""
        return [outcome.applied for outcome in self.change([Registration(each) for each in states], actor_id)]

    def delete(self, states: Sequence[InvocationState]) -> None:
        """Delete records that are still as given."""
        self.change([Removal(state) for state in states], None)

    # An orchestrator on a storage overrides these, so that they travel with the writes of others.

    def stage_change(
        self, group: Group, changes: Sequence[StateChange], actor_id: str | None
    ) -> Pending[list[ChangeOutcome]]:
        """Change as a step of a group."""
        return group.call(lambda: self.change(changes, actor_id))

    def stage_read_states(
        self, group: Group, invocation_ids: Sequence[str]
    ) -> Pending[list[InvocationState | None]]:
        """Read status records as a step of a group."""
        return group.call(lambda: self.read_states(invocation_ids))

    # --- signals and time ----------------------------------------------------------------

    @abstractmethod
    def subscribe(
        self, invocation_ids: Iterable[str], on_wake: Callable[[], None] | None = None
    ) -> Subscription:
        """Listen for the end of invocations; the channel of each is its id."""

    @abstractmethod
    def announce(self, invocation_ids: Sequence[str]) -> None:
        """Wake who listens to these invocations. Best effort."""

    def stage_announce(self, group: Group, invocation_ids: Sequence[str]) -> None:
        """Announce as a step of a group."""
        group.call(lambda: self.announce(invocation_ids))

    @abstractmethod
    def now(self) -> float:
        """Return the time of the clock that all runners share, in seconds since the epoch."""

    # --- slots -------------------------------------------------------------------------

    def read_slots(self, slot_keys: Sequence[str]) -> list[Slot | None]:
        """Return slots in order, None where nobody holds one."""
        return self.read(Slot, slot_keys)

    def swap_slots(self, swaps: Sequence[SlotSwap]) -> list[bool]:
        """Compare and set slots, each atomically; return whether each was done."""
        return self.write([swap(each.before, each.after, ("invocation_id", "claim")) for each in swaps])

    def add_waiters(self, waiters: Sequence[Waiter]) -> None:
        """Put invocations in line for a slot; one that stands there already is left alone."""
        self.write([Save(each) for each in waiters])

    def first_waiters(self, slot_key: str, limit: int) -> list[Waiter]:
        """Return the head of the line for a slot."""
        return self.find(Waiter, Lookup(Waiter, {"slot_key": slot_key}), limit)

    def drop_waiters(self, waiters: Sequence[Waiter]) -> None:
        """Take invocations out of the line; those that are not there are fine."""
        self.write([Remove(Waiter, each.waiter_id) for each in waiters])

    # --- runners -----------------------------------------------------------------------

    def heartbeat(self, runner_ids: Sequence[str], moment: float) -> None:
        """Note that runners were alive at a moment, in seconds since the epoch."""
        self.write(upserts([Heartbeat(each, moment) for each in runner_ids], ("at",)))

    def silent_runners(self, before: float, limit: int = 100) -> list[str]:
        """Return runners whose last heartbeat is older than a moment, oldest first."""
        return [each.runner_id for each in self.find(Heartbeat, Lookup(Heartbeat, high=before), limit)]

    def live_runners(self, since: float, limit: int = 1000) -> list[str]:
        """Return runners that sent a heartbeat at this moment or later."""
        return [each.runner_id for each in self.find(Heartbeat, Lookup(Heartbeat, low=since), limit)]

    def last_heartbeats(self, runner_ids: Sequence[str]) -> list[float | None]:
        """Return the time of the last heartbeat of each, None for those unknown."""
        return [None if beat is None else beat.at for beat in self.read(Heartbeat, runner_ids)]

    def forget_runners(self, runner_ids: Sequence[str]) -> None:
        """Drop the heartbeats of runners that have ended."""
        self.write([Remove(Heartbeat, each) for each in runner_ids])
