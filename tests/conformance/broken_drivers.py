"""Drivers that break one promise each; the kit has to notice every one."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from broken_records import (
    AddsEmptyIndexes,
    AddsNoFields,
    ChecksGuardsBeforehand,
    CutsBlobs,
    ForgetsKeysInPages,
    OrdersKeysLikePeople,
    PurgesByPrefix,
    PurgesEverything,
    RefusesWithAForeignError,
    ReplacesBlobs,
    RoundsNumbers,
    SortsAGroup,
    StaysClosed,
    StoresWhatItRefuses,
    TellsAnOlderSnapshot,
)

from pynenc.storage.base_storage import Storage
from pynenc.storage.blocking_take import queue_channel
from pynenc.storage.memory_storage import MemoryStorage
from pynenc.storage.operations import (
    APPLIED,
    Ack,
    Insert,
    Notify,
    Operation,
    Patch,
    Push,
    QueueDepth,
    Reply,
    Taken,
)
from pynenc.storage.subscription import Subscription


class DropsOneWriteIn100(MemoryStorage):
    """Says that a write was done, and forgets every hundredth."""

    def __init__(self, app_id: str) -> None:
        super().__init__(app_id)
        self._numbers = itertools.count(1)

    def execute(self, operations: Sequence[Operation]) -> list[Reply]:
        replies: list[Reply] = []
        for operation in operations:
            if isinstance(operation, (Insert, Patch)) and next(self._numbers) % 100 == 0:
                replies.append(APPLIED)
            else:
                replies += super().execute([operation])
        return replies


class IgnoresAGuard(MemoryStorage):
    """Patches without looking at the owner that it should expect."""

    def execute(self, operations: Sequence[Operation]) -> list[Reply]:
        return super().execute(
            [
                msgspec.structs.replace(each, expect=dict(list(each.expect.items())[:1]))
                if isinstance(each, Patch)
                else each
                for each in operations
            ]
        )


class LosesAWakeUp(MemoryStorage):
    """Forgets every tenth wake-up; timed looks hide it from who waits long enough."""

    def __init__(self, app_id: str) -> None:
        super().__init__(app_id)
        self._numbers = itertools.count(1)

    def execute(self, operations: Sequence[Operation]) -> list[Reply]:
        kept = [each for each in operations if not isinstance(each, Notify) or next(self._numbers) % 10 != 0]
        replies = iter(super().execute(kept))
        return [next(replies) if any(each is one for one in kept) else None for each in operations]


class ReturnsLeasedItemsTwice(MemoryStorage):
    """Takes items without a lease worth the name."""

    def take(self, queues: Sequence[str], limit: int, lease_s: float, now: float) -> Taken:
        return super().take(queues, limit, 0.0, now)


class ForgetsAcknowledgements(MemoryStorage):
    """Keeps what was acknowledged."""

    def execute(self, operations: Sequence[Operation]) -> list[Reply]:
        return super().execute([Ack(()) if isinstance(each, Ack) else each for each in operations])


class IgnoresPriorities(MemoryStorage):
    """First come, first served, whatever the priority."""

    def execute(self, operations: Sequence[Operation]) -> list[Reply]:
        return super().execute([_level(each) for each in operations])


class SeesOtherApps(MemoryStorage):
    """Keeps all apps in one place."""

    _one: MemoryStorage | None = None

    def __new__(cls, app_id: str) -> SeesOtherApps:
        if cls._one is None:
            cls._one = super().__new__(cls)
            MemoryStorage.__init__(cls._one, app_id)
        return cls._one  # type: ignore[return-value]

    def __init__(self, app_id: str) -> None:
        """Once was enough."""


# --- queues and time -------------------------------------------------------------------


class LimitsBeforeItSorts(MemoryStorage):
    """Gives the oldest that fit, and sorts only those by priority."""

    def execute(self, operations: Sequence[Operation]) -> list[Reply]:
        return super().execute([_level(each) for each in operations])

    def take(self, queues: Sequence[str], limit: int, lease_s: float, now: float) -> Taken:
        taken = super().take(queues, limit, lease_s, now)
        return Taken(tuple(sorted(taken.items, key=lambda pair: -pair[1].priority)), taken.next_due)


class LeasesTooLong(MemoryStorage):
    """Holds what was taken for twice its lease."""

    def take(self, queues: Sequence[str], limit: int, lease_s: float, now: float) -> Taken:
        return super().take(queues, limit, 2 * lease_s, now)


class LeasesTooShort(MemoryStorage):
    """Holds what was taken for nine tenths of its lease."""

    def take(self, queues: Sequence[str], limit: int, lease_s: float, now: float) -> Taken:
        return super().take(queues, limit, 0.9 * lease_s, now)


class UsesItsOwnClock(MemoryStorage):
    """Asks the clock of the engine what is due."""

    def take(self, queues: Sequence[str], limit: int, lease_s: float, now: float) -> Taken:
        return super().take(queues, limit, lease_s, time.time())

    def queue_depth(self, queues: Sequence[str], now: float) -> dict[str, QueueDepth]:
        return super().queue_depth(queues, time.time())


class CountsByItsOwnClock(MemoryStorage):
    """Takes by the time that it is given, and counts by its own."""

    def queue_depth(self, queues: Sequence[str], now: float) -> dict[str, QueueDepth]:
        return super().queue_depth(queues, time.time())


class TellsNoNextDue(MemoryStorage):
    """Never says when something will be there."""

    def take(self, queues: Sequence[str], limit: int, lease_s: float, now: float) -> Taken:
        return Taken(super().take(queues, limit, lease_s, now).items)


class TellsTheLastDue(MemoryStorage):
    """Says when the last of several queues will have something."""

    def take(self, queues: Sequence[str], limit: int, lease_s: float, now: float) -> Taken:
        taken = super().take(queues, limit, lease_s, now)
        dues = [super(TellsTheLastDue, self).take([each], 0, lease_s, now).next_due for each in queues]
        known = [each for each in dues if each is not None]
        return Taken(taken.items, max(known) if known and not taken.items else taken.next_due)


class QueuesTwice(MemoryStorage):
    """De-duplicates by queue and not by app."""

    def execute(self, operations: Sequence[Operation]) -> list[Reply]:
        for each in operations:
            if isinstance(each, Push):
                for item in each.items:
                    known = self._queue_of.get(item.item_id)
                    if known is not None and known is not self._queues.get(each.queue):
                        del self._queue_of[item.item_id]
        return super().execute(operations)


class ForgetsThePayloadBehindNul(MemoryStorage):
    """Keeps texts as C does."""

    def execute(self, operations: Sequence[Operation]) -> list[Reply]:
        return super().execute([_cut(each) for each in operations])


# --- wake-ups --------------------------------------------------------------------------


class NotifiesBeforeItWrites(MemoryStorage):
    """Wakes others a moment before there is something to take."""

    def execute(self, operations: Sequence[Operation]) -> list[Reply]:
        pushed = [queue_channel(each.queue) for each in operations if isinstance(each, Push)]
        if pushed:
            super().execute([Notify(tuple(pushed))])
            time.sleep(0.02)
        return super().execute(operations)


class ListensLate(MemoryStorage):
    """Begins to listen when the caller has gone on."""

    def subscribe(self, channels: Iterable[str], on_wake: Callable[[], None] | None = None) -> Subscription:
        subscription, wanted = super().subscribe([], on_wake), list(channels)
        threading.Timer(0.05, lambda: subscription.add(wanted)).start()
        return subscription


class WakesNobody(MemoryStorage):
    """Leaves it to timed looks."""

    def execute(self, operations: Sequence[Operation]) -> list[Reply]:
        fire, self._hub.fire = self._hub.fire, lambda channels: None  # type: ignore[method-assign]
        try:
            return super().execute(operations)
        finally:
            self._hub.fire = fire  # type: ignore[method-assign]


class WakesOnlyOne(MemoryStorage):
    """Hands each wake-up to the first who listens."""

    def subscribe(self, channels: Iterable[str], on_wake: Callable[[], None] | None = None) -> Subscription:
        wanted = [each for each in channels if each not in self.__dict__.setdefault("_heard", set())]
        self.__dict__["_heard"].update(wanted)
        return super().subscribe(wanted, on_wake)


def _level(operation: Operation) -> Any:
    if not isinstance(operation, Push):
        return operation
    return Push(operation.queue, tuple(msgspec.structs.replace(item, priority=0) for item in operation.items))


def _cut(operation: Operation) -> Any:
    if not isinstance(operation, Push):
        return operation
    items = [
        msgspec.structs.replace(item, payload=item.payload.partition("\0")[0]) for item in operation.items
    ]
    return Push(operation.queue, tuple(items))


BROKEN: Mapping[type[Storage], str] = {
    DropsOneWriteIn100: "",
    IgnoresAGuard: "a_guard_that_fails_tells_what_is_there",
    LosesAWakeUp: "a notification wakes every subscription",
    ReturnsLeasedItemsTwice: "",
    ForgetsAcknowledgements: "",
    IgnoresPriorities: "",
    SeesOtherApps: "apps_do_not_see_each_other",
    LimitsBeforeItSorts: "by priority and then by age",
    LeasesTooLong: "for exactly its lease",
    LeasesTooShort: "for exactly its lease",
    UsesItsOwnClock: "`now` alone decides what is due",
    CountsByItsOwnClock: "`now` alone decides what is due",
    TellsNoNextDue: "`next_due` says when something will be there",
    TellsTheLastDue: "`next_due` is the earliest time",
    QueuesTwice: "is not queued a second time",
    ForgetsThePayloadBehindNul: "a payload is any text",
    NotifiesBeforeItWrites: "once it can be taken",
    ListensLate: "a notification wakes every subscription",
    WakesNobody: "",
    WakesOnlyOne: "every_listener_is_woken",
    TellsAnOlderSnapshot: "is what stands there when it is refused",
    ChecksGuardsBeforehand: "threads_lose_no_update",
    SortsAGroup: "",
    AddsNoFields: "declare() adds the new fields",
    AddsEmptyIndexes: "declare() makes the new indexes",
    RefusesWithAForeignError: "a_text_is_indexed_or_refused",
    StoresWhatItRefuses: "nothing of it is stored",
    RoundsNumbers: "values_come_back_as_they_were",
    ForgetsKeysInPages: "pages_give_each_record_once",
    CutsBlobs: "a_blob_of_twenty_megabytes_fits",
    ReplacesBlobs: "a_blob_is_stored_once",
    OrdersKeysLikePeople: "in the order of the keys' UTF-8 bytes",
    PurgesByPrefix: "",
    PurgesEverything: "a_purge_takes_only_what_it_names",
    StaysClosed: "",
}
"""The drivers, each with what the kit says of it: a part of a promise, or of the name of a test."""
