"""Groups: one call per storage and stretch, in order."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pynenc.storage.group import Group
from pynenc.storage.memory_storage import MemoryStorage
from pynenc.storage.operations import Insert, Operation, Read, Reply, Table

TABLE = Table("t", ("value",))


class CountingStorage(MemoryStorage):
    def __init__(self, app_id: str) -> None:
        super().__init__(app_id)
        self.declare([TABLE])
        self.calls: list[int] = []

    def execute(self, operations: Sequence[Operation]) -> list[Reply]:
        self.calls.append(len(operations))
        return super().execute(operations)


def test_neighbours_on_one_storage_go_out_together() -> None:
    one, other = CountingStorage("one"), CountingStorage("other")
    seen: list[object] = []
    group = Group()
    first = group.write(one, [Insert(TABLE, "a", {}), Insert(TABLE, "a", {})])
    found = group.read(one, TABLE, ["a", "b"])
    group.write(other, [Insert(TABLE, "c", {})])
    answer = group.call(lambda: seen.append(other.read(TABLE, ["c"])) or "called")
    group.write(one, [Insert(TABLE, "d", {})])
    with pytest.raises(RuntimeError, match="not sent"):
        first.get()
    group.send()
    assert (one.calls, other.calls) == ([3, 1], [1, 1])
    assert [outcome.applied for outcome in first.get()] == [True, False]
    assert [record is not None for record in found.get()] == [True, False]
    assert answer.get() == "called"
    assert seen != [[None]]


def test_a_mapped_reply_is_made_once() -> None:
    storage, made = CountingStorage("one"), []
    group = Group()
    read = Read(TABLE, ("a",))
    mapped = group.execute(storage, [read], lambda replies: made.append(replies) or len(replies))
    group.send()
    assert (mapped.get(), mapped.get(), len(made)) == (1, 1, 1)


def test_a_sent_group_is_empty() -> None:
    storage, group = CountingStorage("one"), Group()
    group.write(storage, [Insert(TABLE, "a", {})])
    group.send()
    group.send()
    assert storage.calls == [1]
