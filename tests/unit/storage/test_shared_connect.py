"""Many threads that wait for one connection."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from pynenc.exceptions import StorageError, StorageUnavailableError
from pynenc.storage.shared_connect import SharedConnect


class Counted:
    """A lock that tells who comes."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.came = threading.Semaphore(0)

    def __enter__(self) -> None:
        self.came.release()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def _together(connect: SharedConnect, act: Any, number: int) -> list[Any]:
    """Return what each of some threads gets, all of which wait before the first is through."""
    found: list[Any] = []
    lock, is_open = Counted(), threading.Event()
    connect._lock = lock  # type: ignore[assignment]

    def guarded() -> Any:
        is_open.wait()
        return act()

    def call() -> None:
        try:
            found.append(connect.once(guarded))
        except StorageError as error:
            found.append(error)

    threads = [threading.Thread(target=call) for _ in range(number)]
    for thread in threads:
        thread.start()
    for _ in threads:
        lock.came.acquire()
    is_open.set()
    for thread in threads:
        thread.join()
    return found


def test_a_failure_is_that_of_all_who_wait() -> None:
    tries: list[int] = []

    def fail() -> None:
        tries.append(1)
        raise StorageUnavailableError("away")

    connect = SharedConnect()
    found = _together(connect, fail, 8)
    assert [str(each) for each in found] == ["away"] * 8
    assert len(tries) == 1
    with pytest.raises(StorageUnavailableError):
        connect.once(fail)
    assert len(tries) == 2  # who comes later tries anew


def test_a_connection_is_that_of_all_who_wait() -> None:
    made: list[object] = []

    def make() -> object:
        if not made:
            made.append(object())
        return made[0]

    assert _together(SharedConnect(), make, 8) == made * 8


def test_another_error_is_that_of_one_thread() -> None:
    tries: list[int] = []

    def refuse() -> None:
        tries.append(1)
        raise StorageError("wrong password")

    assert len(_together(SharedConnect(), refuse, 4)) == 4
    assert len(tries) == 4
