"""Between typed structs and the records of a table."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Generic, TypeVar

import msgspec

from pynenc.storage.operations import KEY, Index, Insert, Record, Scalar, Table

S = TypeVar("S", bound=msgspec.Struct)


class RecordCodec(Generic[S]):
    """Keeps structs as records: the first field is the key, tuples are append-only.

    Args:
        name: Name of the table.
        struct: A struct class whose first field is `key` in encoded form.
        indexes: The table's indexes.
        append_only: Those of the struct's fields that only grow.
    """

    def __init__(
        self,
        name: str,
        struct: type[S],
        indexes: tuple[Index, ...] = (),
        append_only: tuple[str, ...] = (),
    ) -> None:
        self._struct = struct
        key_field, *fields = msgspec.structs.fields(struct)
        if key_field.encode_name != KEY:
            raise TypeError(f"the first field of {struct.__name__} must be encoded as '{KEY}'")
        self._key = key_field.name
        self._fields = tuple(field.name for field in fields if field.name not in append_only)
        self.table = Table(name, self._fields, indexes, append_only)

    def insert(self, item: S, append: Mapping[str, str] | None = None) -> Insert:
        """The write that stores an item if its key is absent."""
        values = {name: _scalar(getattr(item, name)) for name in self._fields}
        return Insert(self.table, getattr(item, self._key), values, append or {})

    def changes(self, before: S, after: S) -> dict[str, Scalar]:
        """The fields in which two items differ, with the later values."""
        return {
            name: value for name in self._fields if (value := getattr(after, name)) != getattr(before, name)
        }

    def decode(self, record: Record) -> S:
        """A record as a struct."""
        return msgspec.convert(record, self._struct)

    def decode_all(self, records: list[Record | None]) -> list[S | None]:
        """Records as structs, None where there is none."""
        return [None if record is None else self.decode(record) for record in records]


def _scalar(value: object) -> Scalar:
    return value.value if isinstance(value, Enum) else value  # type: ignore[return-value]
