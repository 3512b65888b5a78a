"""A state backend that has nothing but the abstract methods, one of which calls another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from pynenc import Pynenc
from pynenc.plugins.component import ComponentContext
from pynenc.state_backend.base_state_backend import BaseStateBackend
from pynenc.storage.operations import Cursor
from pynenc.storage.record_store import Amend, Lookup, RecordWrite, Remove, Save, key_of


class PureStateBackend(BaseStateBackend):
    """State in dictionaries."""

    shared_between_processes = False

    def __init__(self, context: ComponentContext) -> None:
        super().__init__(context)
        self.tables: dict[type, dict[str, Any]] = {}

    def write(self, writes: Sequence[RecordWrite]) -> list[bool]:
        return [self._one(each) for each in writes]

    def _one(self, write: RecordWrite) -> bool:
        if isinstance(write, Save):
            table = self.tables.setdefault(type(write.record), {})
            return table.setdefault(key_of(write.record), write.record) is write.record
        if not isinstance(write, (Amend, Remove)):
            return True
        table = self.tables.setdefault(write.record_type, {})
        found = table.get(write.key)
        if found is None or any(getattr(found, name) != value for name, value in write.guard.items()):
            return False
        if isinstance(write, Remove):
            del table[write.key]
        else:
            table[write.key] = msgspec.structs.replace(found, **write.values)
        return True

    def read(self, record_type: type[Any], keys: Sequence[str]) -> list[Any]:
        return [self.tables.get(record_type, {}).get(key) for key in keys]

    def find(
        self, record_type: type[Any], lookup: Lookup, limit: int, after: Cursor | None = None
    ) -> list[Any]:
        order = self.order_of(lookup)
        found = [
            (getattr(each, order), key_of(each))
            for each in self.tables.get(record_type, {}).values()
            if all(getattr(each, name) == value for name, value in lookup.equals.items())
            and (lookup.low is None or getattr(each, order) >= lookup.low)
            and (lookup.high is None or getattr(each, order) < lookup.high)
        ]
        found.sort(reverse=lookup.newest_first)
        if after is not None:
            place = (after.order, after.key)
            found = [each for each in found if (each < place if lookup.newest_first else each > place)]
        return [
            each for each in self.read(record_type, [key for _, key in found[:limit]]) if each is not None
        ]

    def purge(self) -> None:
        self.tables.clear()


def stored(app: Pynenc, record_type: type[Any]) -> list[Any]:
    """Return what really lies in the store of an app."""
    backend: Any = app.state_backend
    return list(backend.tables.get(record_type, {}).values())
