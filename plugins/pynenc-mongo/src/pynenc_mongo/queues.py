"""Queues: looking for the best items, then taking them under a lease.

An item that can be taken is ready; one that waits for its time, or is taken, is held until `due`.
Two takers may see the same items; the update takes each item for one of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pymongo.collection import Collection

from pynenc.identifiers.ids import new_id
from pynenc.storage.operations import QueueDepth, QueuedItem, Taken
from pynenc_mongo.connection import LOOSE, Document
from pynenc_mongo.documents import HELD, QUEUED, READY, Names, as_item
from pynenc_mongo.schema import HELD_INDEX, READY_INDEX, RECORDS

_DUE_AT_ONCE = 100
_LOOKS = 5
_SHOWN = {"item": 1, "payload": 1, "rank": 1, "tick": 1, "queue": 1, "held": 1}


class Queues:
    """The queues of an app.

    Args:
        records: The collection.
        names: The app's identities.
    """

    def __init__(self, records: Collection[Document], names: Names) -> None:
        self._records = records
        self._leases = records.with_options(write_concern=LOOSE)
        self._names = names

    def _items(self, queue: str, held: int) -> dict[str, Any]:
        return {"_t": QUEUED, "_app": self._names.app, "queue": queue, "held": held}

    # --- taking ------------------------------------------------------------------------

    def take(self, queues: Sequence[str], limit: int, now: float, lease_s: float) -> Taken:
        """Return the best items, in two round trips; three if another taker was quicker with some."""
        for _ in range(_LOOKS):
            seen = self._look(queues, limit, now)
            if not seen:
                return Taken((), self._next_due(queues))
            taken = self._lease(seen, now, now + lease_s)
            if taken:
                return Taken(tuple((each["queue"], as_item(each)) for each in taken))
        return Taken((), now)  # others are quicker, so there is work, and the next look is due

    def _look(self, queues: Sequence[str], limit: int, now: float) -> list[Document]:
        """Return the best items that can be taken, best first."""
        while True:
            seen = list(self._records.aggregate(self._pipeline(queues, limit, now)))
            due = [each for each in seen if each["held"] == HELD]
            if len(due) < _DUE_AT_ONCE:
                break
            # The first ones due need not be the best: all that are due become ready.
            for queue in queues:
                overdue = {**self._items(queue, HELD), "due": {"$lte": now}}
                self._leases.update_many(overdue, {"$set": {"held": READY}})
        place = {queue: at for at, queue in enumerate(queues)}
        seen.sort(key=lambda each: (place[each["queue"]], each["rank"], each["tick"]))
        return seen[:limit]

    def _pipeline(self, queues: Sequence[str], limit: int, now: float) -> list[Document]:
        parts: list[list[Document]] = []
        for queue in queues:
            parts.append(
                [{"$match": self._items(queue, READY)}, {"$sort": {"rank": 1, "tick": 1}}, {"$limit": limit}]
            )
            overdue = {**self._items(queue, HELD), "due": {"$lte": now}}
            parts.append([{"$match": overdue}, {"$sort": {"due": 1}}, {"$limit": _DUE_AT_ONCE}])
        return _union(parts, _SHOWN)

    def _lease(self, seen: Sequence[Document], now: float, until: float) -> list[Document]:
        """Return those of the seen items that nobody else has taken meanwhile."""
        token = new_id()
        ids = [each["_id"] for each in seen]
        free = {"_id": {"$in": ids}, "$or": [{"held": READY}, {"due": {"$lte": now}}]}
        lease = {"$set": {"held": HELD, "due": until, "taker": token}}
        count = self._leases.update_many(free, lease).modified_count
        if count == len(ids):
            return list(seen)
        if not count:
            return []
        mine = self._records.find({"_id": {"$in": ids}, "taker": token}, {"_id": 1})
        won = {each["_id"] for each in mine}
        return [each for each in seen if each["_id"] in won]

    def _next_due(self, queues: Sequence[str]) -> float | None:
        parts: list[list[Document]] = [
            [{"$match": self._items(queue, HELD)}, {"$sort": {"due": 1}}, {"$limit": 1}] for queue in queues
        ]
        pipeline = _union(parts, {"due": 1})
        return min((each["due"] for each in self._records.aggregate(pipeline)), default=None)

    # --- looking at queues -------------------------------------------------------------

    def depth(self, queue: str, now: float) -> QueueDepth:
        """Return how full it is."""
        ready = self._records.count_documents(self._items(queue, READY), hint=READY_INDEX)
        held = self._items(queue, HELD)
        due = self._records.count_documents({**held, "due": {"$lte": now}}, hint=HELD_INDEX)
        waiting = self._records.count_documents({**held, "due": {"$gt": now}}, hint=HELD_INDEX)
        return QueueDepth(ready + due, waiting)

    def place(self, item_id: str, now: float, limit: int) -> QueuedItem | None:
        """Return where an item stands, None if it is not queued."""
        item = self._records.find_one({"_id": self._names.item(item_id)})
        if item is None:
            return None
        ready, rank = self._items(item["queue"], READY), item["rank"]
        ahead = {**ready, "rank": {"$lt": rank}}
        better = self._records.count_documents(ahead, limit=limit, hint=READY_INDEX)
        equal = {**ready, "rank": rank, "tick": {"$lt": item["tick"]}}
        before = better + self._records.count_documents(equal, limit=limit, hint=READY_INDEX)
        held_until = item["due"] if item["held"] == HELD and item["due"] > now else 0.0
        return QueuedItem(item["queue"], 0.0 - rank, held_until, before, better)

    def names(self) -> list[str]:
        """Return the queues that hold anything."""
        found: set[str] = set()
        for held in (READY, HELD):
            only = {"_t": QUEUED, "_app": self._names.app, "held": held}
            found.update(self._records.distinct("queue", only))
        return sorted(found)


def _union(parts: Sequence[list[Document]], shown: Mapping[str, int]) -> list[Document]:
    """Return one pipeline that gives the documents of all, less what need not be known."""
    first, *others = [[*part, {"$project": shown}] for part in parts]
    return [*first, *({"$unionWith": {"coll": RECORDS, "pipeline": each}} for each in others)]
