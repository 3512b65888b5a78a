"""A storage that dies between any two operations, for tests of what a crash leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from pynenc.app import Pynenc
from pynenc.broker.base_broker import BaseBroker, Delivery, Message
from pynenc.storage.base_storage import Storage
from pynenc.storage.drivers import StorageComponent
from pynenc.storage.operations import (
    Cursor,
    EngineInfo,
    Notify,
    Operation,
    Query,
    QueueDepth,
    QueuedItem,
    Read,
    Record,
    Reply,
    Table,
    Taken,
)
from pynenc.storage.subscription import Subscription

T = TypeVar("T")


class SimulatedCrash(BaseException):
    """The process is gone. Not an `Exception`, so that nothing handles it by accident."""


class CrashPlan:
    """The plan of a simulated process's death; several storages may share one.

    Attributes:
        steps: How many operations that change something were begun since `arm`.
        place: The operation at which it has died, in words.
        clock_offset_s: By how much the shared clock is put forward, in seconds.
        blobs: The keys of all large values that were stored.
    """

    def __init__(self) -> None:
        self.steps = 0
        self.place = ""
        self.clock_offset_s = 0.0
        self.blobs: set[str] = set()
        self._die_at: int | None = None
        self._after = False
        self._is_dead = False

    def arm(self, die_at: int | None, after: bool = False) -> None:
        """Die at the operation with this number (from 0), before or after it is done."""
        self.steps = 0
        self._die_at, self._after, self._is_dead = die_at, after, False

    def check(self) -> None:
        """Stop whoever is dead already."""
        if self._is_dead:
            raise SimulatedCrash

    def step(self, act: Callable[[], T], what: str = "") -> T:
        """Do one operation, or die."""
        self.check()
        number, self.steps = self.steps, self.steps + 1
        if number != self._die_at:
            return act()
        self._is_dead = True
        self.place = f"{'after' if self._after else 'before'} operation {number}: {what}"
        if self._after:
            act()
        raise SimulatedCrash


class FaultyStorage(Storage):
    """Passes every operation on to another storage, one by one, and dies as planned.

    Operations of one call are carried out separately, as an engine without transactions would
    do it. Reads change nothing, so dying at one of them is dying before the next write.

    Args:
        inner: The storage that lives on.
        plan: When to die.
    """

    def __init__(self, inner: Storage, plan: CrashPlan) -> None:
        super().__init__(inner.app_id)
        self.inner = inner
        self.plan = plan
        real_now = inner.now
        # Leases and not-before times must follow the clock that the test puts forward.
        inner.now = lambda: real_now() + plan.clock_offset_s

    # --- what changes something --------------------------------------------------------

    def execute(self, operations: Sequence[Operation]) -> list[Reply]:
        return [self._one(operation) for operation in operations]

    def _one(self, operation: Operation) -> Reply:
        if isinstance(operation, (Read, Notify)):
            self.plan.check()
            return self.inner.execute([operation])[0]
        return self.plan.step(lambda: self.inner.execute([operation])[0], _described(operation))

    def take(self, queues: Sequence[str], limit: int, lease_s: float, now: float) -> Taken:
        return self.plan.step(lambda: self.inner.take(queues, limit, lease_s, now), "take from a queue")

    def blob_put(self, blobs: Mapping[str, bytes]) -> None:
        self.plan.blobs.update(blobs)
        self.plan.step(lambda: self.inner.blob_put(blobs), "store large values")

    def blob_delete(self, keys: Sequence[str]) -> None:
        self.plan.step(lambda: self.inner.blob_delete(keys), "delete large values")

    # --- what only looks ---------------------------------------------------------------

    def declare(self, tables: Iterable[Table]) -> None:
        self.inner.declare(tables)

    def find(self, query: Query, limit: int, after: Cursor | None = None) -> list[Record]:
        self.plan.check()
        return self.inner.find(query, limit, after)

    def count(self, query: Query) -> int:
        return self.inner.count(query)

    def count_many(self, queries: Sequence[Query], limit: int | None = None) -> list[int]:
        return self.inner.count_many(queries, limit)

    def cautions(self) -> list[str]:
        return self.inner.cautions()

    def queue_depth(self, queues: Sequence[str], now: float) -> dict[str, QueueDepth]:
        self.plan.check()
        return self.inner.queue_depth(queues, now)

    def find_items(self, item_ids: Sequence[str], limit: int, now: float) -> list[QueuedItem | None]:
        self.plan.check()
        return self.inner.find_items(item_ids, limit, now)

    def queue_names(self) -> list[str]:
        return self.inner.queue_names()

    def subscribe(self, channels: Iterable[str], on_wake: Callable[[], None] | None = None) -> Subscription:
        return self.inner.subscribe(channels, on_wake)

    def blob_get(self, keys: Sequence[str]) -> list[bytes | None]:
        return self.inner.blob_get(keys)

    def now(self) -> float:
        return self.inner.now()

    def ping(self) -> EngineInfo:
        return self.inner.ping()

    def purge(self, tables: Sequence[Table] = (), queues: bool = False, blobs: bool = False) -> None:
        self.inner.purge(tables, queues, blobs)

    def close(self) -> None:
        self.blocking.close()
        self.inner.close()


def _described(operation: Operation) -> str:
    """Return an operation in words: what it does, and to which kind of record."""
    table = getattr(operation, "table", None)
    what = type(operation).__name__.lower()
    return f"{what} {table.name} {getattr(operation, 'key', '')}".rstrip() if table is not None else what


def put_faulty(app: Pynenc, plan: CrashPlan | None = None) -> CrashPlan:
    """Put storages that die as planned under all components of an app; a new plan if none is given."""
    plan = plan or CrashPlan()
    faulty: dict[int, Storage] = {}
    for component in _kept_data(app):
        if isinstance(component, StorageComponent):
            inner = component.storage
            if id(inner) not in faulty:
                faulty[id(inner)] = FaultyStorage(inner, plan)
            component.storage = faulty[id(inner)]
    if not isinstance(app.broker, StorageComponent):
        _make_faulty(app.broker, plan)
    return plan


def _make_faulty(broker: BaseBroker, plan: CrashPlan) -> None:
    """Let a broker on no storage die as planned, around each of its own calls and each message."""
    push, take, ack, close = broker.push, broker.take, broker.ack, broker.close

    def step(act: Callable[[], T], what: str) -> T:
        try:
            return plan.step(act, what)
        except SimulatedCrash:
            close()  # a process that is gone holds nothing that it has taken
            raise

    def push_each(messages: Sequence[Message]) -> None:
        for each in messages:
            step(lambda each=each: push([each]), "push a message")  # type: ignore[misc]

    def ack_each(deliveries: Sequence[Delivery]) -> None:
        for each in deliveries:
            step(lambda each=each: ack([each]), "acknowledge a message")  # type: ignore[misc]

    def take_some(queues: Sequence[str], limit: int, timeout_s: float | None) -> list[Delivery]:
        return step(lambda: take(queues, limit, timeout_s), "take from a queue")

    vars(broker).update(push=push_each, take=take_some, ack=ack_each)


def take_faulty_away(app: Pynenc) -> None:
    """Put the storages back that `put_faulty` has wrapped, with their own clocks."""
    for component in _kept_data(app):
        if isinstance(component, StorageComponent) and isinstance(component.storage, FaultyStorage):
            component.storage = component.storage.inner
            vars(component.storage).pop("now", None)
    for name in ("push", "take", "ack"):
        vars(app.broker).pop(name, None)


def _kept_data(app: Pynenc) -> tuple[object, ...]:
    return (app.broker, app.orchestrator, app.state_backend, app.trigger, app.client_data_store)
