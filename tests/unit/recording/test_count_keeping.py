"""Counts in the store: each counted once, whoever dies or waits in between, and none ever falls."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from dying import Dies, failing

from pynenc import Pynenc
from pynenc.context import RunnerContext
from pynenc.exceptions import StorageUnavailableError
from pynenc.lifecycle import count_keeping
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.count_keeping import CountKeeper, all_counts, flush_counts, fold
from pynenc.recording.counts import key_of
from pynenc.recording.recorder import RETRIED, Recorder
from pynenc.state_backend.count_records import ProcessCounts
from pynenc.storage.record_store import Lookup
from pynenc.testing import in_memory

KEY = key_of(RETRIED, ["t"])
app = Pynenc({"app_id": "count_keeping"})


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with in_memory(app):
        yield


def _process() -> Components:
    """The components as another process has them: with a recorder and an identity of its own."""
    identity = RunnerContext("ExternalRunner")
    return dataclasses.replace(app.components, recorder=Recorder(), client_identity=identity)


def _count(process: Components, number: int = 1) -> None:
    process.recorder.events.extend([(RETRIED, "t", "q", "", 0.0)] * number)


def _sum() -> int:
    return all_counts(app.components).counters.get(KEY, 0)


def _later() -> float:
    return app.components.now() + 1000


def test_processes_are_added_up_before_and_after_they_are_folded() -> None:
    first, second = _process(), _process()
    _count(first, 3)
    flush_counts(first)
    flush_counts(first)
    _count(second, 4)
    flush_counts(second)
    assert _sum() == 7
    assert fold(app.components, _later()) == 2
    assert _sum() == 7
    assert app.state_backend.find_all(ProcessCounts, Lookup(ProcessCounts)) == []
    _count(first, 10)
    flush_counts(first)
    assert _sum() == 17
    assert fold(app.components, _later()) == 1
    assert fold(app.components, _later()) == 0
    assert _sum() == 17
    flush_counts(first)
    assert _sum() == 17


def test_a_part_that_is_written_is_left_alone() -> None:
    process = _process()
    _count(process)
    flush_counts(process)
    assert fold(app.components, app.components.now() - count_keeping.QUIET_S) == 0
    assert _sum() == 1


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(9))
def test_a_leader_that_dies_anywhere_in_a_fold_counts_nothing_twice(
    at: int, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes = [_process() for _ in range(3)]
    for each in processes:
        _count(each, 5)
        flush_counts(each)
    with monkeypatch.context() as patched:
        failing(app.state_backend, ("write", "read", "find"), at, after, patched)
        with suppress(Dies):
            fold(app.components, _later())
    assert _sum() == 15
    for each in processes:
        _count(each, 1)
        flush_counts(each)
    assert _sum() == 18
    fold(app.components, _later())
    assert _sum() == 18
    fold(app.components, _later())
    assert _sum() == 18


@pytest.mark.parametrize("folds", [False, True])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_a_write_whose_reply_is_lost_counts_once(
    first: bool, after: bool, folds: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = _process()
    keeper = CountKeeper(process)
    if not first:
        _count(process, 2)
        keeper.flush()
    _count(process, 3)
    with monkeypatch.context() as patched:
        original = app.state_backend.write

        def away(writes: Any) -> Any:
            if after:
                original(writes)
            raise StorageUnavailableError("away")

        patched.setattr(app.state_backend, "write", away)
        with pytest.raises(StorageUnavailableError):
            keeper.flush()
        with suppress(StorageUnavailableError):
            keeper.flush()
    if folds:
        fold(app.components, _later())
    _count(process, 4)
    keeper.flush()
    assert _sum() == (0 if first else 2) + 7
    keeper.flush()
    fold(app.components, _later())
    assert _sum() == (0 if first else 2) + 7


def test_a_driver_that_sends_a_write_twice_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    process = _process()
    original = app.state_backend.write
    monkeypatch.setattr(app.state_backend, "write", lambda writes: (original(writes), original(writes))[1])
    for number in (2, 3):
        _count(process, number)
        flush_counts(process)
    assert _sum() == 5


def test_two_leaders_at_once_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        process = _process()
        _count(process, 5)
        flush_counts(process)
    original, entered = app.state_backend.read, []

    def interrupted(*given: Any) -> Any:
        found = original(*given)
        if len(entered) < 2:
            entered.append(None)
            fold(app.components, _later())
        return found

    monkeypatch.setattr(app.state_backend, "read", interrupted)
    fold(app.components, _later())
    monkeypatch.undo()
    assert _sum() == 15


def test_counts_go_on_after_a_purge() -> None:
    process = _process()
    _count(process, 3)
    flush_counts(process)
    app.state_backend.purge()
    _count(process, 2)
    flush_counts(process)
    assert _sum() == 2
