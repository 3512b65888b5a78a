"""The promises of a storage driver about connections, forks and newer data."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

import pytest

from pynenc.exceptions import StorageError
from pynenc.storage.base_storage import Storage
from pynenc.storage.operations import Insert, QueueItem
from pynenc.testing.promises import PATIENCE_S, check
from pynenc.testing.storage_fixtures import TABLE, MakeStorage, StorageFixtures

_LEASE_S = 60.0
_THREADS, _EACH = 8, 25


class ConnectionSuite(StorageFixtures):
    """Connections: many threads, forks, and data that a newer version has written."""

    @pytest.fixture
    def newer_layout(self) -> Callable[[Storage], None]:
        """Return a function that marks what is stored as written by a newer version."""
        pytest.skip("the fixture 'newer_layout' is not there, so newer data cannot be tried")

    def test_threads_share_a_storage(self, storage: Storage) -> None:
        errors: list[BaseException] = []

        def write(thread: int) -> None:
            try:
                for number in range(_EACH):
                    key = f"{thread}-{number}"
                    storage.write([Insert(TABLE, key, {"kind": "a", "at": 1.0})])
                    storage.push("q", [QueueItem(key)])
                    storage.read(TABLE, [key])
            except BaseException as error:  # noqa: BLE001 - whichever it is
                errors.append(error)

        threads = [threading.Thread(target=write, args=(number,), daemon=True) for number in range(_THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(2 * PATIENCE_S)
        keys = [f"{thread}-{number}" for thread in range(_THREADS) for number in range(_EACH)]
        there = sum(record is not None for record in storage.read(TABLE, keys))
        depth = storage.queue_depth(["q"], storage.now())["q"].ready
        check(
            not errors and there == depth == len(keys),
            "one storage is used by many threads at once",
            f"{_THREADS} threads insert, push and read {_EACH} times each",
            {"errors": errors, "records": there, "items": depth},
            "whether a connection is used by one thread at a time",
        )

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
    def test_a_fork_does_not_use_the_connections_of_its_parent(self, storage: Storage) -> None:
        if not self.many_processes:
            pytest.skip("only one process can use the engine")
        storage.write([Insert(TABLE, "before", {"kind": "a", "at": 1.0})])
        heard: frozenset[str] = frozenset()
        with storage.subscribe(["from-child"]) as subscription:
            child = os.fork()
            if child == 0:
                _live_as_child(storage)
            for number in range(_EACH):  # at the same time, so that shared connections mix their replies
                storage.write([Insert(TABLE, f"parent-{number}", {"kind": "a", "at": 1.0})])
            code = _waited(child)
            end = time.monotonic() + PATIENCE_S
            while "from-child" not in heard and time.monotonic() < end:
                storage.notify(["from-child"])
                heard = subscription.wait(0.1)
        keys = ["before", *(f"{who}-{number}" for who in ("parent", "child") for number in range(_EACH))]
        there = sum(record is not None for record in storage.read(TABLE, keys))
        check(
            code == 0 and there == len(keys) and "from-child" in heard,
            "after a fork both processes go on with the same storage, each with connections of its own",
            "insert; subscribe; fork; insert in both at the same time, take and notify in the child",
            {"exit code of the child": code, "records": f"{there} of {len(keys)}", "heard": heard},
            "connections and threads that are kept: compare `os.getpid()` with that of the process that has "
            "made them, and make new ones",
        )

    def test_data_of_a_newer_version_is_refused(
        self,
        storage: Storage,
        make_storage: MakeStorage,
        app_id: str,
        newer_layout: Callable[[Storage], None],
    ) -> None:
        storage.write([Insert(TABLE, "k", {"kind": "a", "at": 1.0})])
        newer_layout(storage)
        later = make_storage(app_id)
        found: dict[str, object] = {}
        acts: dict[str, Callable[[], object]] = {
            "ping": lambda: (later.declare([TABLE]), later.ping()),
            "read": lambda: (later.declare([TABLE]), later.read(TABLE, ["k"])),
        }
        for name, act in acts.items():
            try:
                found[name] = act()
            except StorageError as error:
                found[name] = error
        later.close()
        check(
            all(isinstance(each, StorageError) and "newer" in str(each) for each in found.values()),
            "data that a newer version has written is refused with an error that says so",
            "insert; raise the stored version of the layout; open the storage anew; ping; read",
            found,
            "where the version of the layout is kept, and that it is read before anything else",
        )


def _live_as_child(storage: Storage) -> None:
    """Use the storage of the parent in a child, and end it: with code 0 if all went well."""
    code = 1
    try:
        for number in range(_EACH):
            storage.write([Insert(TABLE, f"child-{number}", {"kind": "a", "at": 1.0})])
        (record,) = storage.read(TABLE, ["before"])
        storage.push("q", [QueueItem("i")])
        taken = storage.take(["q"], 1, _LEASE_S, storage.now()).items
        storage.notify(["from-child"])
        code = 0 if record is not None and len(taken) == 1 else 2
    finally:
        os._exit(code)


def _waited(child: int) -> int | str:
    """Return the exit code of a child, or in words what became of it."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return f"it has not ended within {PATIENCE_S:g} s"
