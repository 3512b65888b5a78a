"""Collections and indexes: made when first needed, named by what they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pymongo import ASCENDING, IndexModel
from pymongo.database import Database
from pymongo.errors import OperationFailure

from pynenc.storage.operations import Index, Table
from pynenc_mongo.connection import Document
from pynenc_mongo.documents import HELD, QUEUED, READY, kind_of

RECORDS, BLOBS, FILES, SIGNALS, META = (
    "pynenc",
    "pynenc_blobs",
    "pynenc_files",
    "pynenc_signals",
    "pynenc_meta",
)
INDEXES_VERSION = 1
"""Is part of the indexes' names: another make of an index is another index."""

ONLY_WHOLE = {"_t": {"$exists": True}}
"""What every document must have. An update whose guard fails would insert a document without it,
and is refused by this rule: so each update of a batch tells whether it was carried out."""

_SIGNALS_BYTES = 4 * 1024 * 1024
_EXISTS = 48
READY_INDEX, HELD_INDEX = f"queue_ready_v{INDEXES_VERSION}", f"queue_held_v{INDEXES_VERSION}"


def index_name(table: Table, index: Index) -> str:
    """Return the name of an index of a table."""
    return "_".join((table.name, *index.by, index.order, f"v{INDEXES_VERSION}"))


def index_fields(index: Index) -> list[str]:
    """Return what an index of a table is made of, in order."""
    return ["_t", "_app", *index.by, index.order, "_id"]


def prepare(database: Database[Document]) -> None:
    """Make the collections, and the indexes of the queues; what is there already stays."""
    there = {each["name"]: each for each in database.list_collections()}
    if RECORDS not in there:
        _create(database, RECORDS, validator=ONLY_WHOLE)
    elif there[RECORDS]["options"].get("validator") != ONLY_WHOLE:
        database.command("collMod", RECORDS, validator=ONLY_WHOLE)
    if SIGNALS not in there:
        _create(database, SIGNALS, capped=True, size=_SIGNALS_BYTES)
    database[RECORDS].create_indexes(
        [
            _partial(
                ["_t", "_app", "queue", "held", "rank", "tick"], {"_t": QUEUED, "held": READY}, READY_INDEX
            ),
            _partial(["_t", "_app", "queue", "held", "due"], {"_t": QUEUED, "held": HELD}, HELD_INDEX),
        ]
    )


def prepare_tables(database: Database[Document], tables: Iterable[Table]) -> None:
    """Make the indexes of tables; what is there already stays."""
    models = [
        _partial(index_fields(index), covered(table, index), index_name(table, index))
        for table in tables
        for index in table.indexes
    ]
    if models:
        database[RECORDS].create_indexes(models)


def covered(table: Table, index: Index) -> Document:
    """Return the condition for what stands in an index; a query with a hint has to name it."""
    only: Document = {"_t": kind_of(table)}
    if index.is_sparse:
        only.update({field: {"$type": "string"} for field in index.by})
    return only


def _partial(fields: list[str], only: dict[str, Any], name: str) -> IndexModel:
    keys = [(field, ASCENDING) for field in fields]
    return IndexModel(keys, name=name, partialFilterExpression=only)


def _create(database: Database[Document], name: str, **options: Any) -> None:
    try:
        database.create_collection(name, check_exists=False, **options)
    except OperationFailure as error:
        if error.code != _EXISTS:  # else another process was quicker
            raise
