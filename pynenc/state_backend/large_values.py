"""The records of large values: which there are, and which records refer to them.

The bytes are in the client data store. Here stands that a value may be there, before it is stored,
and that a record refers to it, before that record is. So whatever a crash leaves behind is found
from here: a value that nobody came to refer to, or a use whose record was never written.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pynenc.invocation.packed_text import value_ids_in, window_end
from pynenc.storage.group import Group
from pynenc.storage.operations import Cursor, Index
from pynenc.storage.record_store import (
    Amend,
    Lookup,
    RecordSpec,
    RecordStore,
    RecordWrite,
    Remove,
    Save,
    key_of,
)


class LargeValue(msgspec.Struct, frozen=True):
    """A large value that may be in the client data store.

    Attributes:
        value_id: Its id there.
        look_at: When to look whether anything needs it, in seconds since the epoch.
    """

    value_id: str = msgspec.field(name="key")
    look_at: float


class LargeValueUse(msgspec.Struct, frozen=True):
    """A record that refers to a large value.

    Attributes:
        use_id: The value and the record.
        value_id: Which value.
        kind: The table of the record.
        record_key: Which record.
        window_end: Until when calls could share the value, in seconds since the epoch.
    """

    use_id: str = msgspec.field(name="key")
    value_id: str
    kind: str
    record_key: str
    window_end: float


LARGE_VALUE_RECORDS = (
    RecordSpec(LargeValue, "large_value", (Index((), "look_at"),)),
    RecordSpec(LargeValueUse, "large_value_use", (Index(("value_id",), "window_end"),)),
)
"""The kinds of records that large values need."""


class LargeValueRecords(RecordStore):
    """The part of a state backend that keeps what is known of large values."""

    def announce_values(self, value_ids: Sequence[str], look_at: float) -> None:
        """Note that values are about to be stored.

        Args:
            value_ids: Their ids.
            look_at: When to look whether anything needs them, in seconds since the epoch; nobody refers
                to them anew from then on.
        """
        self.write([Save(LargeValue(each, look_at)) for each in value_ids])

    def note_uses(
        self, kind: str, records: Sequence[msgspec.Struct], text: str = "payload", group: Group | None = None
    ) -> None:
        """Note which large values records refer to; it goes before they are stored.

        Args:
            kind: The table of the records.
            records: The records.
            text: The field in which they refer to large values.
            group: The group of which it is a step; None to do it now.
        """
        uses: list[RecordWrite] = []
        for record in records:
            key = key_of(record)
            for each in dict.fromkeys(value_ids_in(getattr(record, text))):
                uses.append(Save(LargeValueUse(f"{each}/{kind}/{key}", each, kind, key, window_end(each))))
        if uses and group is None:
            self.write(uses)
        elif uses and group is not None:
            self.stage_write(group, uses)

    def values_to_look_at(self, before: float, limit: int) -> list[LargeValue]:
        """Return values that are due for a look, the longest due first."""
        return self.find(LargeValue, Lookup(LargeValue, high=before), limit)

    def uses_of(self, value_id: str, limit: int, after: Cursor | None = None) -> list[LargeValueUse]:
        """Return records that refer to a value, or did, behind `after` (its window's end and id) if given."""
        return self.find(LargeValueUse, Lookup(LargeValueUse, {"value_id": value_id}), limit, after)

    def drop_uses(self, uses: Sequence[LargeValueUse]) -> None:
        """Delete uses; absent ones are fine."""
        self.write([Remove(LargeValueUse, each.use_id) for each in uses])

    def look_again_at(self, value_ids: Sequence[str], moment: float) -> None:
        """Set when values are looked at next."""
        self.write([Amend(LargeValue, each, {"look_at": moment}) for each in value_ids])

    def drop_values(self, value_ids: Sequence[str]) -> None:
        """Delete what is known of values that are stored no longer."""
        self.write([Remove(LargeValue, each) for each in value_ids])
