"""Records and queue items as documents of one collection, so that they travel together.

`_id` is the app, the kind and the key; `_t` names the kind, and every index is limited to one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from bson import Int64

from pynenc.storage.operations import KEY, QueueItem, Record, Scalar, Table, Value

QUEUED = "q"
"""The kind of queue items."""

READY, HELD = 0, 1
"""Whether an item can be taken, or waits for the time in `due`."""


def kind_of(table: Table) -> str:
    """Return the kind of a table's records."""
    return f"r:{table.name}"


class Names:
    """The identities of one app's documents.

    Args:
        app_id: Whose.
    """

    def __init__(self, app_id: str) -> None:
        self.app = quote(app_id, safe="")
        """The app in identities; it holds no colon, so nothing of another app begins like it."""

    def record(self, table: Table, key: str) -> str:
        """Return the identity of a record."""
        return f"{self.app}:r:{table.name}:{key}"

    def item(self, item_id: str) -> str:
        """Return the identity of a queue item."""
        return f"{self.app}:q:{item_id}"

    def blob(self, key: str) -> str:
        """Return the identity of a blob."""
        return f"{self.app}:b:{key}"

    def all_of(self, kind: str) -> dict[str, str]:
        """Return bounds for the identities of everything of a kind (`r:table`, `q`, `b`)."""
        begin = f"{self.app}:{kind}:"
        return {"$gte": begin, "$lt": begin[:-1] + chr(ord(":") + 1)}


def orders_of(table: Table) -> frozenset[str]:
    """Return the fields that order an index; unset they are 0."""
    return frozenset(index.order for index in table.indexes)


def encode(values: Mapping[str, Scalar], table: Table) -> dict[str, Any]:
    """Return fields as they are kept: numbers for truth values, nothing unset where it orders an index."""
    encoded: dict[str, Any] = {}
    for name, value in values.items():
        if value is None:
            encoded[name] = 0 if name in orders_of(table) else None
        else:
            encoded[name] = int(value) if isinstance(value, bool) else value
    return encoded


def new_record(
    names: Names, table: Table, key: str, values: Mapping[str, Scalar], append: Mapping[str, str]
) -> dict[str, Any]:
    """Return a whole record, without its identity."""
    kept = {name: value for name, value in values.items() if value is not None}
    return {
        "_t": kind_of(table),
        "_app": names.app,
        "key": key,
        **dict.fromkeys(orders_of(table), 0),
        **encode(kept, table),
        **{name: [entry] for name, entry in append.items()},
    }


def decode(document: Mapping[str, Any], table: Table, fields: Sequence[str]) -> Record:
    """Return a document as the port promises it."""
    record: dict[str, Value] = {KEY: document["key"]}
    for name in fields or (*table.fields, *table.append_only):
        if name in table.append_only:
            record[name] = tuple(document.get(name, ()))
        else:
            value = document.get(name)
            record[name] = int(value) if isinstance(value, Int64) else value
    for name in orders_of(table):
        if name in record and record[name] is None:
            record[name] = 0
    return record


def new_item(names: Names, queue: str, item: QueueItem, tick: int) -> dict[str, Any]:
    """Return a queue item, without its identity."""
    return {
        "_t": QUEUED,
        "_app": names.app,
        "queue": queue,
        "item": item.item_id,
        "payload": item.payload,
        "rank": -item.priority,
        "tick": tick,
        "held": HELD if item.not_before > 0 else READY,
        "due": item.not_before,
    }


def as_item(document: Mapping[str, Any]) -> QueueItem:
    """Return a queue item as it was pushed, less its time."""
    return QueueItem(document["item"], document["payload"], -document["rank"])
