"""A state backend that has nothing but the abstract methods, one of which calls another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dict_components import DictStateBackend

from pynenc import Pynenc
from pynenc.storage.operations import Cursor
from pynenc.storage.record_store import Lookup, key_of


class PureStateBackend(DictStateBackend):
    """State in dictionaries, found by reading it."""

    def find(
        self, record_type: type[Any], lookup: Lookup, limit: int, after: Cursor | None = None
    ) -> Sequence[Any]:
        found = super().find(record_type, lookup, limit, after)
        return self.read(record_type, [key_of(each) for each in found])


def stored(app: Pynenc, record_type: type[Any]) -> list[Any]:
    """Return what really lies in the store of an app."""
    backend: Any = app.state_backend
    return list(backend.tables.get(record_type, {}).values())
