"""Short bodies start and end together, and nobody waits for anybody because of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import plain_tasks
import pytest

from pynenc import Pynenc, Task
from pynenc.exceptions import StorageUnavailableError
from pynenc.invocation.status import InvocationStatus
from pynenc.runner.finish_buffer import FinishBuffer
from pynenc.storage.operations import Patch
from pynenc.testing.app_fixtures import running


@pytest.fixture
def app() -> Iterator[Pynenc]:
    plain_tasks.gate.clear()
    plain_tasks.calls.clear()
    yield Pynenc(
        {
            "app_id": "together",
            "runner_cls": "ThreadRunner",
            "runner": {"max_threads": 1, "shutdown_grace_seconds": 0},
            "logging_level": "error",
        }
    )
    plain_tasks.gate.set()


def train(task: Task[..., Any]) -> None:
    """Let the runner learn that the bodies are short."""
    assert sum(task.parallelize([(1, 0)] * 300).results) == 300


def statuses(invocation: Any) -> list[InvocationStatus]:
    return [entry.status for entry in invocation.history]


def test_short_bodies_are_written_together(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    task = app.task(plain_tasks.pass_gate)
    with running(app):
        train(task)
        storage: Any = app.orchestrator
        calls: list[int] = []
        execute = storage.storage.execute
        monkeypatch.setattr(
            storage.storage, "execute", lambda operations: calls.append(1) or execute(operations)
        )
        list(task.parallelize([(1, 0)] * 200).results)
    # Three for each would be what one after the other takes.
    assert len(calls) < 200


def test_an_end_does_not_wait_for_a_long_body(app: Pynenc) -> None:
    task = app.task(plain_tasks.pass_gate)
    with running(app):
        train(task)
        group = list(task.parallelize([(number, 13) for number in range(20)]))
        assert [invocation.result for invocation in group[:13]] == list(range(13))
        while group[13].status != InvocationStatus.RUNNING:
            pass  # what a handle knows may be a moment old
        plain_tasks.gate.set()
        assert [invocation.result for invocation in group] == list(range(20))


def test_what_has_not_begun_is_handed_back_at_the_stop(app: Pynenc) -> None:
    task = app.task(plain_tasks.pass_gate)
    with running(app):
        train(task)
        group = list(task.parallelize([(number, 3) for number in range(20)]))
        assert [invocation.result for invocation in group[:3]] == [0, 1, 2]
    assert {statuses(invocation)[-1] for invocation in group[3:]} == {InvocationStatus.REROUTED}
    plain_tasks.gate.set()
    with running(app):
        assert [invocation.result for invocation in group] == list(range(20))


def test_a_body_may_wait_for_one_that_started_together_with_it(app: Pynenc) -> None:
    short, meet = app.task(plain_tasks.pass_gate), app.task(plain_tasks.meet)
    with running(app):
        train(short)
        group = list(meet.parallelize([(0,), (1,)]))
        plain_tasks.calls[1] = app.get_invocation(group[1].invocation_id)
        assert [invocation.result for invocation in group] == [1, 1]


def test_ends_that_could_not_be_written_are_kept() -> None:
    written: list[Any] = []
    ends = FinishBuffer(written.extend)
    ends.add("one")  # type: ignore[arg-type]
    taken = ends.take()
    ends.add("two")  # type: ignore[arg-type]
    ends.put_back(taken)
    ends.close()
    assert written == ["one", "two"]


def test_a_start_without_an_answer_is_not_lost(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    """The start is written, but the answer is lost; then the storage is away for a while."""
    task = app.task(plain_tasks.pass_gate)
    storage: Any = app.orchestrator
    inner, away = storage.storage.execute, threading.Event()
    invocation = task(1, 0)

    def execute(operations: Any) -> Any:
        if away.is_set():
            raise StorageUnavailableError("the storage is away")
        replies = inner(operations)
        if any(isinstance(each, Patch) and each.values.get("status") == "running" for each in operations):
            away.set()
            raise StorageUnavailableError("the answer is lost")
        return replies

    monkeypatch.setattr(storage.storage, "execute", execute)
    with running(app):
        assert away.wait(60)
        threading.Event().wait(0.6)  # longer than it takes to hand back what no worker begins
        monkeypatch.setattr(storage.storage, "execute", inner)
        assert invocation.result == 1
