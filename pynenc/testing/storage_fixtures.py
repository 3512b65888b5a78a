"""Fixtures that the suites for storage drivers share."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pynenc.identifiers.ids import new_id
from pynenc.storage.base_storage import Storage
from pynenc.storage.operations import Index, Insert, Table

MakeStorage = Callable[[str], Storage]
"""Makes the storage of an app by its id; must be picklable if processes share the engine."""

BY_KIND = Index(("kind",), "at")
BY_TIME = Index((), "at")
BY_OTHER = Index(("other",), "at", is_sparse=True)
TABLE = Table("kit_record", ("kind", "at", "value", "other"), (BY_KIND, BY_TIME, BY_OTHER), ("log",))


class StorageFixtures:
    """Override `make_storage`, and set `many_processes` to False if only one can use the engine."""

    many_processes = True

    @pytest.fixture
    def make_storage(self) -> MakeStorage:
        """Return a function that makes the storage under test."""
        raise NotImplementedError("override the fixture 'make_storage'")

    @pytest.fixture
    def app_id(self) -> str:
        """An app id that no other test uses."""
        return f"kit-{new_id()}"

    @pytest.fixture
    def storage(self, make_storage: MakeStorage, app_id: str) -> Iterator[Storage]:
        """A storage with the kit's table; emptied at the end."""
        storage = make_storage(app_id)
        storage.declare([TABLE])
        yield storage
        storage.purge(tables=[TABLE], queues=True, blobs=True)
        storage.close()


def insert_many(storage: Storage, count: int, kind: str = "a", step: float = 1.0) -> list[str]:
    """Insert records whose order value rises by `step`; their keys."""
    keys = [f"k{at:05d}" for at in range(count)]
    storage.write(
        [Insert(TABLE, key, {"kind": kind, "at": step * at, "value": at}) for at, key in enumerate(keys)]
    )
    return keys


def in_processes(count: int, target: Callable[..., None], *args: Any) -> None:
    """Run a function in new processes and wait for them.

    Raises:
        AssertionError: One of them failed.
    """
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=target, args=(*args, number)) for number in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * count
