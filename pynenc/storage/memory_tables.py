"""Tables, indexes and queues in memory."""

from __future__ import annotations

from collections.abc import Mapping

from sortedcontainers import SortedList

from pynenc.identifiers.ids import monotonic_tick
from pynenc.storage.operations import (
    APPLIED,
    KEY,
    Cursor,
    Delete,
    Index,
    Insert,
    Outcome,
    Patch,
    Query,
    QueueDepth,
    QueuedItem,
    QueueItem,
    Record,
    Scalar,
    Table,
    Value,
)


class MemoryTable:
    """Records of one table and its indexes."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._blank: dict[str, Value] = dict.fromkeys(table.fields)
        self._blank.update(dict.fromkeys((index.order for index in table.indexes), 0.0))
        self._blank.update(dict.fromkeys(table.append_only, ()))
        self.clear()

    def grow(self, table: Table) -> None:
        """Take the fields and indexes that a later definition has besides; the records stay."""
        if table == self._table:
            return
        records = self._records
        self.__init__(table)  # type: ignore[misc]
        for key, record in records.items():
            self._records[key] = grown = {**self._blank, **record}
            for index in self._indexes.values():
                index.add(grown)

    def clear(self) -> None:
        """Forget every record."""
        self._records: dict[str, dict[str, Value]] = {}
        self._indexes = {index: _SortedIndex(index) for index in self._table.indexes}

    def insert(self, operation: Insert) -> Outcome:
        """Insert if absent."""
        if operation.key in self._records:
            return Outcome(False, {})
        record = {**self._blank, KEY: operation.key, **operation.values}
        for name, entry in operation.append.items():
            record[name] = (entry,)
        self._records[operation.key] = record
        for index in self._indexes.values():
            index.add(record)
        return APPLIED

    def patch(self, operation: Patch) -> Outcome:
        """Set and append fields under the guard."""
        record = self._records.get(operation.key)
        if record is None:
            return Outcome(False)
        refused = _guard(record, operation.expect)
        if refused is not None:
            return refused
        changed: dict[str, Value] = {**record, **operation.values}
        for name, entry in operation.append.items():
            before = changed[name]
            changed[name] = (*before, entry) if isinstance(before, tuple) else (entry,)
        self._records[operation.key] = changed
        for index in self._indexes.values():
            index.discard(record)
            index.add(changed)
        return APPLIED

    def delete(self, operation: Delete) -> Outcome:
        """Delete under the guard."""
        record = self._records.get(operation.key)
        if record is None:
            return Outcome(False)
        refused = _guard(record, operation.expect)
        if refused is not None:
            return refused
        del self._records[operation.key]
        for index in self._indexes.values():
            index.discard(record)
        return APPLIED

    def read(self, key: str, fields: tuple[str, ...]) -> Record | None:
        """Return one record, or None."""
        record = self._records.get(key)
        return None if record is None else _project(record, fields)

    def find(self, query: Query, limit: int, after: Cursor | None) -> list[Record]:
        """Return a page of what the query matches."""
        keys = self._indexes[query.index].keys(query, limit, after)
        return [_project(self._records[key], query.fields) for key in keys]

    def count(self, query: Query) -> int:
        """Return how many the query matches."""
        return self._indexes[query.index].count(query)


def _guard(record: Record, expect: Mapping[str, Scalar]) -> Outcome | None:
    if all(record[name] == value for name, value in expect.items()):
        return None
    return Outcome(False, {name: record[name] for name in expect})


def _project(record: Mapping[str, Value], fields: tuple[str, ...]) -> Record:
    if not fields:
        return dict(record)
    return {KEY: record[KEY], **{name: record[name] for name in fields}}


class _SortedIndex:
    """For each combination of the `by` fields the keys in order of the order field."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._groups: dict[tuple[Value, ...], SortedList[tuple[float, str]]] = {}

    def _place(self, record: Record) -> tuple[tuple[Value, ...], tuple[float, str]]:
        order = record[self._index.order]
        number = float(order) if isinstance(order, (int, float)) else 0.0
        return tuple(record[name] for name in self._index.by), (number, str(record[KEY]))

    def add(self, record: Record) -> None:
        group, entry = self._place(record)
        if self._index.is_sparse and None in group:
            return
        self._groups.setdefault(group, SortedList()).add(entry)

    def discard(self, record: Record) -> None:
        group, entry = self._place(record)
        if self._index.is_sparse and None in group:
            return
        entries = self._groups[group]
        entries.discard(entry)
        if not entries:
            del self._groups[group]

    def _range(self, query: Query) -> tuple[SortedList[tuple[float, str]], int, int]:
        entries = self._groups.get(query.equals)
        if entries is None:
            return SortedList(), 0, 0
        low = 0 if query.low is None else entries.bisect_left((query.low, ""))
        high = len(entries) if query.high is None else entries.bisect_left((query.high, ""))
        return entries, low, high

    def keys(self, query: Query, limit: int, after: Cursor | None) -> list[str]:
        entries, low, high = self._range(query)
        if query.descending:
            if after is not None:
                high = min(high, entries.bisect_left((after.order, after.key)))
            low = max(low, high - limit)
        else:
            if after is not None:
                low = max(low, entries.bisect_right((after.order, after.key)))
            high = min(high, low + limit)
        return [key for _, key in entries.islice(low, high, reverse=query.descending)]

    def count(self, query: Query) -> int:
        _, low, high = self._range(query)
        return max(0, high - low)


class MemoryQueue:
    """Items of one queue: the ready ones by priority and age, the others by time."""

    def __init__(self) -> None:
        self.items: dict[str, tuple[float, int, QueueItem]] = {}
        self.ready: SortedList[tuple[float, int, str]] = SortedList()
        self.delayed: SortedList[tuple[float, str]] = SortedList()
        self._due: dict[str, float] = {}

    def push(self, item: QueueItem) -> None:
        """Add an item that is not queued yet."""
        rank = (-item.priority, monotonic_tick())
        self.items[item.item_id] = (*rank, item)
        if item.not_before > 0:
            self._delay(item.item_id, item.not_before)
        else:
            self.ready.add((*rank, item.item_id))

    def _delay(self, item_id: str, until: float) -> None:
        self._due[item_id] = until
        self.delayed.add((until, item_id))

    def take(self, limit: int, now: float, lease_s: float) -> list[QueueItem]:
        """Take the best items under a lease."""
        self._promote(now)
        taken: list[QueueItem] = []
        while self.ready and len(taken) < limit:
            _, _, item_id = self.ready.pop(0)
            self._delay(item_id, now + lease_s)
            taken.append(self.items[item_id][2])
        return taken

    def _promote(self, now: float) -> None:
        while self.delayed and self.delayed[0][0] <= now:
            _, item_id = self.delayed.pop(0)
            del self._due[item_id]
            priority, tick, _ = self.items[item_id]
            self.ready.add((priority, tick, item_id))

    def remove(self, item_id: str) -> None:
        """Forget an item, wherever it stands."""
        priority, tick, _ = self.items.pop(item_id)
        due = self._due.pop(item_id, None)
        if due is None:
            self.ready.discard((priority, tick, item_id))
        else:
            self.delayed.discard((due, item_id))

    def place(self, queue: str, item_id: str, now: float) -> QueuedItem | None:
        """Return where an item stands, None if it is not here."""
        known = self.items.get(item_id)
        if known is None:
            return None
        self._promote(now)
        rank, tick, item = known
        before = self.ready.bisect_left((rank, tick, item_id))
        better = self.ready.bisect_left((rank, 0, ""))
        return QueuedItem(queue, item.priority, self._due.get(item_id, 0.0), before, better)

    def next_due(self) -> float:
        """Return when the first of those that wait becomes ready."""
        return self.delayed[0][0]

    def depth(self, now: float) -> QueueDepth:
        """Return how full it is."""
        self._promote(now)
        return QueueDepth(len(self.ready), len(self.delayed))
