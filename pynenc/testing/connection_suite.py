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
from pynenc.storage.operations import Insert, Patch, QueueItem
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

        _together(write)
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

    def test_groups_that_meet_in_opposite_order_end(self, storage: Storage) -> None:
        storage.write([Insert(TABLE, key, {"kind": "a", "at": 1.0, "value": 0}) for key in ("a", "b")])
        errors: list[BaseException] = []

        def write(thread: int) -> None:
            keys = ("a", "b") if thread % 2 else ("b", "a")
            for number in range(_EACH):
                try:
                    storage.write([Patch(TABLE, key, {"value": number}, {}) for key in keys])
                except BaseException as error:  # noqa: BLE001 - whichever it is
                    errors.append(error)

        stuck = _together(write)
        check(
            not errors and not stuck,
            "groups that touch the same records in opposite order are carried out all the same",
            f"{_THREADS} threads patch a and b, or b and a, in one group, {_EACH} times each",
            errors or f"{stuck} threads still wait",
            "deadlocks and serialization failures: the driver has to repeat the group",
        )

    def test_a_refusal_in_a_race_does_not_show_what_was_expected(self, storage: Storage) -> None:
        """Count up by compare and set in several threads; each refusal has to have a reason."""
        storage.write([Insert(TABLE, "k", {"kind": "a", "at": 1.0, "value": 0})])
        applied: list[int] = []
        wrong: list[object] = []

        def count_up(_: int) -> None:
            for _ in range(_EACH):
                (record,) = storage.read(TABLE, ["k"])
                value = record["value"] if record is not None else None
                assert isinstance(value, int)
                (reply,) = storage.write([Patch(TABLE, "k", {"value": value + 1}, {"value": value})])
                if reply.applied:
                    applied.append(value)
                elif reply.current == {"value": value}:
                    wrong.append(reply)

        stuck = _together(count_up)
        (record,) = storage.read(TABLE, ["k"])
        check(
            not wrong and not stuck and record is not None and record["value"] == len(applied),
            "a refused patch shows in `current` why it was refused, also when others write at the same time",
            f"{_THREADS} threads read a value and patch it if it is still the same, {_EACH} times each",
            {"refusals that show what was expected": len(wrong), "applied": len(applied), "record": record},
            "whether the guard and `current` are looked at in the same atomic step, of the newest version",
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


def _together(act: Callable[[int], None]) -> int:
    """Do something in several threads at once; return how many of them have not ended."""
    threads = [threading.Thread(target=act, args=(number,), daemon=True) for number in range(_THREADS)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 2 * PATIENCE_S
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return sum(thread.is_alive() for thread in threads)


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
