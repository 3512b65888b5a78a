"""SQL texts of the SQLite driver, and the way from rows to records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from urllib.parse import quote

from pynenc.storage.operations import KEY, Cursor, Index, Query, Record, Scalar, Table, Value


def quoted(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def prefix(app_id: str) -> str:
    """Return what the names of an app's tables begin with; no app's prefix begins another's."""
    return f"{quote(app_id, safe='')}/"


class TableStatements:
    """The statements for one declared table of one app."""

    def __init__(self, app_id: str, table: Table) -> None:
        self.table = table
        self.plain_name = prefix(app_id) + table.name
        self.name = quoted(self.plain_name)
        self.columns = (*table.fields, *table.append_only)
        self._append_only = frozenset(table.append_only)
        self.insert = lru_cache(256)(self._insert)
        self.patch = lru_cache(256)(self._patch)
        self.delete = lru_cache(64)(self._delete)
        self.select = lru_cache(64)(self._select)

    # --- schema ------------------------------------------------------------------------

    def create(self) -> list[str]:
        """Return statements that make the table and its indexes."""
        columns = ", ".join(self.column_definition(name) for name in self.columns)
        return [
            f"CREATE TABLE IF NOT EXISTS {self.name} "
            f"({quoted(KEY)} TEXT PRIMARY KEY NOT NULL{', ' if columns else ''}{columns}) WITHOUT ROWID",
            *(self._create_index(index) for index in self.table.indexes),
        ]

    def column_definition(self, name: str) -> str:
        """Return a column without affinity; what orders an index is a number from the start."""
        orders = any(index.order == name for index in self.table.indexes)
        return f"{quoted(name)} DEFAULT 0.0" if orders else quoted(name)

    def _create_index(self, index: Index) -> str:
        name = quoted(f"{self.plain_name}:{','.join((*index.by, index.order))}")
        columns = ", ".join(map(quoted, (*index.by, index.order, KEY)))
        only = [f"{quoted(field)} IS NOT NULL" for field in index.by] if index.is_sparse else []
        return f"CREATE INDEX IF NOT EXISTS {name} ON {self.name} ({columns}){_all(only)}"

    # --- writes ------------------------------------------------------------------------

    def _insert(self, names: tuple[str, ...]) -> str:
        columns = ", ".join(map(quoted, (KEY, *names)))
        marks = ", ".join("?" * (len(names) + 1))
        return f"INSERT INTO {self.name} ({columns}) VALUES ({marks}) ON CONFLICT DO NOTHING"

    def _patch(self, names: tuple[str, ...], appended: tuple[str, ...], expected: tuple[str, ...]) -> str:
        parts = [f"{quoted(name)} = ?" for name in names]
        parts += [f"{quoted(name)} = coalesce({quoted(name)} || char(10), '') || ?" for name in appended]
        if not parts:
            parts = [f"{quoted(KEY)} = {quoted(KEY)}"]
        return f"UPDATE {self.name} SET {', '.join(parts)} {self._guard(expected)}"

    def _delete(self, expected: tuple[str, ...]) -> str:
        return f"DELETE FROM {self.name} {self._guard(expected)}"

    @staticmethod
    def _guard(expected: tuple[str, ...]) -> str:
        return " AND ".join([f"WHERE {quoted(KEY)} = ?", *(f"{quoted(name)} IS ?" for name in expected)])

    # --- reads -------------------------------------------------------------------------

    def _select(self, fields: tuple[str, ...], keys: int) -> str:
        columns = ", ".join(map(quoted, (KEY, *(fields or self.columns))))
        marks = ", ".join("?" * keys)
        return f"SELECT {columns} FROM {self.name} WHERE {quoted(KEY)} IN ({marks})"

    def find(self, query: Query, limit: int, after: Cursor | None) -> tuple[str, list[Scalar]]:
        """Return the statement for a page, with its parameters."""
        where, values = self._where(query)
        order, key = quoted(query.index.order), quoted(KEY)
        if after is not None:
            where.append(f"({order}, {key}) {'<' if query.descending else '>'} (?, ?)")
            values += [after.order, after.key]
        columns = ", ".join(map(quoted, (KEY, *(query.fields or self.columns))))
        way = "DESC" if query.descending else "ASC"
        sql = f"SELECT {columns} FROM {self.name}{_all(where)} ORDER BY {order} {way}, {key} {way} LIMIT ?"
        return sql, [*values, limit]

    def count(self, query: Query) -> tuple[str, list[Scalar]]:
        """Return the statement that counts, with its parameters."""
        where, values = self._where(query)
        return f"SELECT count(*) FROM {self.name}{_all(where)}", values

    def count_up_to(self, query: Query, limit: int | None) -> tuple[str, list[Scalar]]:
        """Return an expression for a count that stops at a limit, with its parameters."""
        where, values = self._where(query)
        rows = f"SELECT 1 FROM {self.name}{_all(where)} LIMIT ?"
        return f"(SELECT count(*) FROM ({rows}))", [*values, -1 if limit is None else limit]

    @staticmethod
    def _where(query: Query) -> tuple[list[str], list[Scalar]]:
        where: list[str] = []
        values: list[Scalar] = []
        for name, value in zip(query.index.by, query.equals, strict=True):
            if value is None:
                where.append(f"{quoted(name)} IS NULL")
            else:
                where.append(f"{quoted(name)} = ?")
                values.append(value)
        order = quoted(query.index.order)
        if query.low is not None:
            where.append(f"{order} >= ?")
            values.append(query.low)
        if query.high is not None:
            where.append(f"{order} < ?")
            values.append(query.high)
        return where, values

    # --- records -----------------------------------------------------------------------

    def records(self, rows: Iterable[Sequence[Scalar]], fields: tuple[str, ...]) -> list[Record]:
        """Return rows as records."""
        names = (KEY, *(fields or self.columns))
        grown = [(at, name) for at, name in enumerate(names) if name in self._append_only]
        records: list[Record] = []
        for row in rows:
            record: dict[str, Value] = dict(zip(names, row, strict=True))
            for at, name in grown:
                record[name] = unpack_entries(row[at])
            records.append(record)
        return records


def _all(where: list[str]) -> str:
    return f" WHERE {' AND '.join(where)}" if where else ""


def pack_entry(entry: str) -> str:
    """Return one entry of an append-only field as a line."""
    if "\n" in entry or "\\" in entry:
        return entry.replace("\\", "\\\\").replace("\n", "\\n")
    return entry


def unpack_entries(stored: Scalar) -> tuple[str, ...]:
    """Return the entries of an append-only field."""
    if stored is None:
        return ()
    lines = str(stored).split("\n")
    return tuple(_unpack(line) if "\\" in line else line for line in lines)


def _unpack(line: str) -> str:
    return "\\".join(part.replace("\\n", "\n") for part in line.split("\\\\"))
