"""Between structs and records."""

from __future__ import annotations

import msgspec

from pynenc.storage.record_store import RecordSpec
from pynenc.storage.records import RecordCodec, unreadable


class Item(msgspec.Struct, frozen=True):
    item_id: str = msgspec.field(name="key")
    name: str
    owner: str | None = None
    count: int = 3


CODEC: RecordCodec[Item] = RecordCodec(RecordSpec(Item, "item"))


def test_a_record_of_before_a_field_was_added_has_its_default() -> None:
    assert CODEC.decode({"key": "a", "name": "b", "owner": None, "count": None}) == Item("a", "b")
    assert CODEC.decode({"key": "a", "name": "b"}) == Item("a", "b")


def test_a_record_without_what_has_no_default_is_left_out_and_noted() -> None:
    assert CODEC.decode_all([{"key": "a", "name": None, "count": 1}, None]) == [None, None]
    assert "name" in unreadable.pop(f"{CODEC.table.name} 'a'")
