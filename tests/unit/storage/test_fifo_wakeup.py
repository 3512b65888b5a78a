"""Wake-ups through named pipes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pynenc.storage.fifo_wakeup import FifoWakeups

LONG_S = 60.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "x.wake"


def pipes(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.fifo"))


def test_two_processes_hear_each_other(folder: Path) -> None:
    one, other = FifoWakeups(folder), FifoWakeups(folder)
    with one.subscribe(["a"], None) as subscription:
        other.notify(["b", "a"])
        assert subscription.wait(LONG_S) == {"a"}
    one.close()
    assert pipes(folder) == []


def test_a_process_is_not_disturbed_by_other_topics(folder: Path) -> None:
    one, other = FifoWakeups(folder), FifoWakeups(folder)
    with one.subscribe(["queue:a"], None) as subscription:
        other.notify(["runner:a", "a", "../queue:a"])
        assert [path.parent.name for path in pipes(folder)] == ["queue"]
        assert subscription.wait(0) == frozenset()
        subscription.add(["runner:b"])
        assert [path.parent.name for path in pipes(folder)] == ["queue", "runner"]
        other.notify(["runner:b"])
        assert subscription.wait(LONG_S) == {"runner:b"}
    one.close()


def test_the_pipe_of_a_dead_process_is_removed(folder: Path) -> None:
    (folder / "queue").mkdir(parents=True)
    os.mkfifo(folder / "queue" / "1-dead.fifo")
    FifoWakeups(folder).notify(["queue:a"])
    assert pipes(folder) == []


def test_a_pipe_that_overflowed_wakes_everybody(folder: Path) -> None:
    one, other = FifoWakeups(folder), FifoWakeups(folder)
    with one.subscribe(["first"], None) as subscription:
        other.notify(["first"])
        assert subscription.wait(LONG_S) == {"first"}
    for number in range(5000):  # nobody reads meanwhile, so the pipe is full in the end
        other.notify([f"noise-{number}-{at}" for at in range(8)])
    with one.subscribe(["wanted", "also"], None) as subscription:
        other.notify(["wanted"])
        assert subscription.wait(LONG_S)
    one.close()
    other.close()


def test_without_a_folder_waiting_still_works_inside_the_process(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING", "pynenc.storage")
    wakeups = FifoWakeups(tmp_path / "missing" / "x.wake")
    with wakeups.subscribe(["a"], None) as subscription:
        wakeups.notify(["a"])
        assert subscription.wait(LONG_S) == {"a"}
    assert "timed looks" in caplog.text
