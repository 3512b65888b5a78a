"""Between typed structs and the records of a table."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from operator import attrgetter
from typing import Generic, TypeVar, cast

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
        self._enums = tuple(field.name for field in fields if _is_enum(field.type))
        self._get_values = attrgetter(*self._fields, self._key)
        self.table = Table(name, self._fields, indexes, append_only)

    def insert(self, item: S, append: Mapping[str, str] | None = None) -> Insert:
        """The write that stores an item if its key is absent."""
        *fields, key = self._get_values(item)
        values: dict[str, Scalar] = dict(zip(self._fields, fields, strict=True))
        self._strip_enums(values)
        return Insert(self.table, key, values, append or {})

    def changes(self, before: S, after: S) -> dict[str, Scalar]:
        """The fields in which two items differ, with the later values."""
        pairs = zip(self._fields, self._get_values(before), self._get_values(after), strict=False)
        values: dict[str, Scalar] = {name: new for name, old, new in pairs if new != old}
        self._strip_enums(values)
        return values

    def _strip_enums(self, values: dict[str, Scalar]) -> None:
        """Engines get plain strings."""
        for name in self._enums:
            if name in values:
                values[name] = cast(Enum, values[name]).value

    def decode(self, record: Record) -> S:
        """A record as a struct. One of before a field was added has the default of that field."""
        try:
            return msgspec.convert(record, self._struct)
        except msgspec.ValidationError:
            known = {name: value for name, value in record.items() if value is not None}
            return msgspec.convert(known, self._struct)

    def decode_all(self, records: list[Record | None]) -> list[S | None]:
        """Records as structs, None where there is none."""
        return [None if record is None else self.decode(record) for record in records]


def _is_enum(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Enum)
