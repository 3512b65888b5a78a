"""Tables that have got indexes since an earlier version: what that has stored is put into them.

A hash of the app keeps the indexes of each table as they were when it was used last. Where the tables of
now have more, all records are gone over once. Whoever does it at the same time, or again after a crash,
does the same.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any, cast

from pynenc.storage.operations import Table
from pynenc_redis.connection import Client
from pynenc_redis.program import reindexing

logger = logging.getLogger("pynenc.redis")
_BATCH = 500
_SINCE_FIRST = ":since-first"
"""Stands among the tables of an app that has kept their indexes since its first one, so that a table of which
nothing is known is new."""


def complete_indexes(
    client: Client,
    prefix: str,
    tables: Mapping[str, Table],
    is_fresh: bool,
    keys: Iterable[bytes],
    run: Callable[[bytes], object],
) -> None:
    """Put what an earlier version has stored into the indexes that tables have got since.

    Args:
        client: The client.
        prefix: The prefix of the app.
        tables: The tables of now by name.
        is_fresh: Whether nothing was stored for the app before.
        keys: The keys of all records of the app, which are read only if there is something to do.
        run: Carries out a packed program.
    """
    place = f"{prefix}:tables"
    found = cast("Mapping[bytes, bytes]", client.hgetall(place))
    stored = {name.decode(): text.decode() for name, text in found.items()}
    is_known = is_fresh or _SINCE_FIRST in stored
    stale: dict[str, tuple[Table, int]] = {}
    for name, table in tables.items():
        number = _stale_from(stored.get(name), table, is_known)
        if number is not None:
            stale[name] = table, number
    if stale:
        _put_into_indexes(keys, f"{prefix}:r:", stale, run)
    kept: dict[Any, Any] = {
        name: json.dumps(_indexes(table))
        for name, table in tables.items()
        if name in stale or name not in stored  # one that has more indexes is that of a later version
    }
    if is_known:
        kept[_SINCE_FIRST] = ""
    if kept:
        client.hset(place, mapping=kept)


def _stale_from(stored: str | None, table: Table, is_known: bool) -> int | None:
    """Return the number of the first index that records of before are not in; None if there is none."""
    if stored is None:
        return None if is_known else 1
    now = _indexes(table)
    pairs = zip(json.loads(stored), now, strict=False)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return None if same == len(now) else same + 1


def _indexes(table: Table) -> list[list[Any]]:
    return [[list(each.by), each.order, each.is_sparse] for each in table.indexes]


def _put_into_indexes(
    keys: Iterable[bytes],
    begin: str,
    stale: Mapping[str, tuple[Table, int]],
    run: Callable[[bytes], object],
) -> None:
    """Put the records of some tables into their indexes from a number on."""
    count = 0
    for batch in _batches(keys):
        steps: list[tuple[Table, int, str]] = []
        for each in batch:
            name, _, key = each.decode("utf-8", "surrogateescape").removeprefix(begin).partition(":")
            if name in stale:
                steps.append((*stale[name], key))
        if steps:
            run(reindexing(steps))
            count += len(steps)
    if count:
        logger.info("%d record(s) were put into indexes that have come since: %s", count, ", ".join(stale))


def _batches(keys: Iterable[bytes]) -> Iterator[Sequence[bytes]]:
    batch: list[bytes] = []
    for key in keys:
        batch.append(key)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
