"""Between structs and records."""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Any

import msgspec
import pytest

from pynenc.orchestrator.storage_orchestrator import StorageOrchestrator
from pynenc.state_backend.base_state_backend import BaseStateBackend
from pynenc.storage.record_store import RecordSpec
from pynenc.storage.records import RecordCodec, unreadable
from pynenc.trigger.base_trigger import BaseTrigger

STORES: tuple[Any, ...] = (StorageOrchestrator, BaseStateBackend, BaseTrigger)


class State(StrEnum):
    ON = "on"


class Item(msgspec.Struct, frozen=True):
    item_id: str = msgspec.field(name="key")
    name: str
    owner: str | None = None
    count: int = 3


CODEC: RecordCodec[Item] = RecordCodec(RecordSpec(Item, "item"))


def test_a_record_of_before_a_field_was_added_has_its_default() -> None:
    assert CODEC.decode({"key": "a", "name": "b", "owner": None, "count": None}) == Item("a", "b")
    assert CODEC.decode({"key": "a", "name": "b"}) == Item("a", "b")


class Ranked(msgspec.Struct, frozen=True):
    item_id: str = msgspec.field(name="key")
    parent: str | None
    rank: float
    wish: str = ""


def test_a_field_without_a_default_may_be_none_in_an_old_record() -> None:
    codec: RecordCodec[Ranked] = RecordCodec(RecordSpec(Ranked, "ranked"))
    assert codec.decode({"key": "a", "parent": None, "rank": 1.0, "wish": None}) == Ranked("a", None, 1.0)
    assert codec.decode({"key": "a", "parent": None, "rank": None, "wish": None}) is None
    assert "rank" in unreadable.pop("ranked 'a'")


@pytest.mark.parametrize(
    "spec", [each for store in STORES for each in store.records], ids=lambda each: each.name
)
def test_what_older_versions_stored_is_read_though_a_field_was_added(spec: RecordSpec) -> None:
    """Every field with a default may be absent, whatever the others hold that may be None."""
    fields = msgspec.structs.fields(spec.record_type)
    record = {
        field.encode_name: None if "None" in str(field.type) or not field.required else _some(field.type)
        for field in fields
    }
    codec: RecordCodec[Any] = RecordCodec(spec)
    assert codec.decode(record) is not None


def _some(wanted: Any) -> Any:
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return next(iter(wanted)).value
    return {str: "x", int: 1, float: 1.0, bytes: b"x"}[wanted]


def test_a_record_without_what_has_no_default_is_left_out_and_noted() -> None:
    assert CODEC.decode_all([{"key": "a", "name": None, "count": 1}, None]) == [None, None]
    assert "name" in unreadable.pop(f"{CODEC.table.name} 'a'")


class Typed(msgspec.Struct, frozen=True):
    item_id: str = msgspec.field(name="key")
    text: str | None
    number: float | int
    count: int | None
    state: State
    is_on: bool = False
    data: bytes = b""


def test_tables_tell_what_their_fields_hold() -> None:
    codec: RecordCodec[Typed] = RecordCodec(RecordSpec(Typed, "typed"))
    types = dict(zip(codec.table.fields, codec.table.types, strict=True))
    assert types == {
        "text": "text",
        "number": "number",
        "count": "integer",
        "state": "text",
        "is_on": "flag",
        "data": "bytes",
    }
    kinds = {each for store in STORES for spec in store.records for each in RecordCodec(spec).table.types}
    assert kinds == {"text", "number", "integer", "bytes"}


def test_a_field_that_no_engine_stores_is_refused() -> None:
    class Odd(msgspec.Struct, frozen=True):
        item_id: str = msgspec.field(name="key")
        names: list[str] = []

    with pytest.raises(TypeError, match="which no engine stores"):
        RecordCodec(RecordSpec(Odd, "odd"))
