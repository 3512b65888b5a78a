"""The storage port: everything that a backend author implements.

Atomicity is promised for one record only. Operations of one call are carried out in order;
an engine may carry them out together, but nothing in the core relies on it.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import cast

from pynenc.storage.blocking_take import BlockingTake
from pynenc.storage.operations import (
    Ack,
    Cursor,
    EngineInfo,
    Notify,
    Operation,
    Outcome,
    Push,
    Query,
    QueueDepth,
    QueuedItem,
    QueueItem,
    Read,
    Record,
    Reply,
    Table,
    Taken,
    Write,
    record_key,
)
from pynenc.storage.subscription import Subscription

LAYOUT_VERSION = 1
"""Version of the stored data's layout. A newer one is refused, an older one is read."""


class Storage(ABC):
    """One engine with the data of one app.

    Args:
        app_id: Every key carries it; two apps in one engine never see each other.

    Attributes:
        blocking: The blocking takes; `close` of a driver closes it first, and a forked child of a
            process that has one makes its own.
    """

    def __init__(self, app_id: str) -> None:
        self.app_id = app_id
        self.blocking = BlockingTake(self)

    # --- records -----------------------------------------------------------------------

    @abstractmethod
    def declare(self, tables: Iterable[Table]) -> None:
        """Make the tables known; called before their first use, repeatedly is harmless."""

    @abstractmethod
    def execute(self, operations: Sequence[Operation]) -> list[Reply]:
        """Carry out operations in order, in one round trip where the engine can.

        Returns:
            One reply for each operation.
        """

    @abstractmethod
    def find(self, query: Query, limit: int, after: Cursor | None = None) -> list[Record]:
        """Return up to `limit` records in the order of the index, those behind `after` if given."""

    @abstractmethod
    def count(self, query: Query) -> int:
        """Return how many records the query matches."""

    def count_many(self, queries: Sequence[Query], limit: int | None = None) -> list[int]:
        """Return how many records each query matches; each count stops at `limit`.

        A driver overrides it where the engine can answer in one round trip, or stop counting.
        """
        counts = [self.count(query) for query in queries]
        return counts if limit is None else [min(count, limit) for count in counts]

    def write(self, writes: Sequence[Write]) -> list[Outcome]:
        """Insert, patch or delete records; atomic for each, one round trip for all."""
        return cast(list[Outcome], self.execute(writes))

    def read(self, table: Table, keys: Sequence[str], fields: tuple[str, ...] = ()) -> list[Record | None]:
        """Return the records with these keys in order, None where there is none."""
        (reply,) = self.execute([Read(table, tuple(keys), fields)])
        return cast("list[Record | None]", reply)

    # --- queues ------------------------------------------------------------------------

    @abstractmethod
    def take(self, queues: Sequence[str], limit: int, lease_s: float, now: float) -> Taken:
        """Take what is ready without blocking.

        The best items come first: by order of `queues`, then priority, then age. An item
        that is not acknowledged within `lease_s` seconds can be taken again.

        Args:
            queues: The queues, the most important first.
            limit: The largest number of items.
            lease_s: The seconds for which they belong to the caller.
            now: The time by which it is decided what is due, and from which the lease counts, in seconds
                since the epoch. An engine's own clock has no say.
        """

    @abstractmethod
    def queue_depth(self, queues: Sequence[str], now: float) -> dict[str, QueueDepth]:
        """Return how full each of the queues is at a time, in seconds since the epoch."""

    @abstractmethod
    def queue_names(self) -> list[str]:
        """Return the queues that hold anything, sorted."""

    def find_items(self, item_ids: Sequence[str], limit: int, now: float) -> list[QueuedItem | None]:
        """Return where items stand in their queues, in order, None for those that are not queued.

        Args:
            item_ids: The ids of the items.
            limit: The number at which counts stop, where the engine has to count.
            now: The time by which it is decided what is due, in seconds since the epoch.

        Raises:
            NotImplementedError: The driver cannot tell.
        """
        raise NotImplementedError(f"{type(self).__name__} does not tell where items stand")

    def push(self, queue: str, items: Sequence[QueueItem]) -> None:
        """Queue items and wake who waits; an item id that is queued already is left alone."""
        self.execute([Push(queue, tuple(items))])

    def ack(self, item_ids: Sequence[str]) -> None:
        """Remove items that were taken."""
        self.execute([Ack(tuple(item_ids))])

    # --- signals -----------------------------------------------------------------------

    @abstractmethod
    def subscribe(self, channels: Iterable[str], on_wake: Callable[[], None] | None = None) -> Subscription:
        """Listen to channels.

        Args:
            channels: What to listen to.
            on_wake: Called from any thread after each notification, for those who cannot
                block; it must return at once.
        """

    def notify(self, channels: Sequence[str]) -> None:
        """Wake whoever waits for one of the channels. Best effort."""
        self.execute([Notify(tuple(channels))])

    # --- blobs -------------------------------------------------------------------------

    @abstractmethod
    def blob_put(self, blobs: Mapping[str, bytes]) -> None:
        """Store large values under their keys; a key that is there already is left alone."""

    @abstractmethod
    def blob_get(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the values in order, None where there is none."""

    @abstractmethod
    def blob_delete(self, keys: Sequence[str]) -> None:
        """Delete values; absent keys are fine."""

    # --- the engine --------------------------------------------------------------------

    now: Callable[[], float] = staticmethod(time.time)
    """Returns seconds since the epoch by the clock that all users of the engine share."""

    @abstractmethod
    def ping(self) -> EngineInfo:
        """Prove that the engine answers.

        Raises:
            StorageUnavailableError: It does not.
            StorageLayoutError: Its data was written by a newer version.
        """

    def hazards(self) -> list[str]:
        """Return what in the engine's configuration could lose data, each with what to do about it."""
        return []

    def cautions(self) -> list[str]:
        """Return what is to be known of the engine, though it may be meant so; only `doctor` tells."""
        return []

    @abstractmethod
    def purge(self, tables: Sequence[Table] = (), queues: bool = False, blobs: bool = False) -> None:
        """Delete data of this app and of no other.

        Args:
            tables: Declared tables to empty.
            queues: Whether to empty all queues.
            blobs: Whether to delete all blobs.
        """

    @abstractmethod
    def close(self) -> None:
        """Release connections; the next use opens them again."""


def find_all(storage: Storage, query: Query, page: int = 500) -> Iterator[Record]:
    """Return every record that the query matches, fetched a page at a time."""
    after: Cursor | None = None
    while True:
        records = storage.find(query, page, after)
        yield from records
        if len(records) < page:
            return
        after = cursor_of(query, records[-1])


def cursor_of(query: Query, record: Record) -> Cursor:
    """Return the position behind `record`; its order field must be among those fetched."""
    order = record[query.index.order]
    return Cursor(float(order) if isinstance(order, (int, float)) else 0.0, record_key(record))
