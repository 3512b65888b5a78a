"""The inbox of a workflow: each look reads what is new, and misses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import plain_tasks
import pytest

from pynenc import Pynenc
from pynenc.state_backend.workflow_records import WorkflowEvent
from pynenc.testing.evaluating import Evaluating
from pynenc.trigger.records import EventWait
from pynenc.workflow.inbox import Inbox


@pytest.fixture
def app() -> Iterator[Pynenc]:
    app = Pynenc({"app_id": "inbox"})
    yield app
    Pynenc.discard("inbox")


@pytest.fixture
def reads(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many events each read of the store has given."""
    given: list[int] = []
    find = app.state_backend.find_events

    def counted(*arguments: Any) -> list[WorkflowEvent]:
        found = find(*arguments)
        given.append(len(found))
        return found

    monkeypatch.setattr(app.state_backend, "find_events", counted)
    return given


def save(app: Pynenc, number: int, at: float, is_used: int = 0) -> None:
    app.state_backend.save_events([WorkflowEvent(f"i/{number}", "i", "code", "{}", at, is_used)])


def numbers(events: Any) -> list[int]:
    return [int(event.event_id[2:]) for event in events]


def test_a_look_reads_what_is_new(app: Pynenc, reads: list[int]) -> None:
    inbox = Inbox(app.components, "i")
    for number in range(50):
        save(app, number, 100.0 * number)
    assert numbers(inbox.read(50)) == list(range(50))
    assert numbers(inbox.read(50)) == list(range(50))
    save(app, 50, 5000.0)
    assert numbers(inbox.read(51)) == list(range(51))
    assert reads == [50, 2]  # the latest known and the new one


def test_an_event_that_was_written_late_is_found(app: Pynenc, reads: list[int]) -> None:
    inbox = Inbox(app.components, "i")
    save(app, 1, 100.0)
    save(app, 3, 300.0)
    inbox.read(2)
    save(app, 2, 200.0)  # its sender has slept between looking at the clock and writing
    assert numbers(inbox.read(3)) == [1, 2, 3]
    save(app, 4, 299.0)
    assert numbers(inbox.read(4)) == [1, 2, 4, 3]


def test_used_events_are_not_given(app: Pynenc) -> None:
    save(app, 1, 100.0)
    save(app, 2, 200.0)
    app.state_backend.use_events(["i/1", "none"])
    save(app, 1, 100.0)  # sent once more
    assert numbers(Inbox(app.components, "i").read(2)) == [2]


def test_events_beyond_the_bound_are_refused_and_told(app: Pynenc, caplog: pytest.LogCaptureFixture) -> None:

    app.trigger.conf.max_buffered_events = 3
    call = app.task(plain_tasks.nothing)()
    app.trigger.save_waits([EventWait("w", "code", call.invocation_id, "", 1.0, is_active=0)])
    for _ in range(5):
        app.trigger.emit_event("code")
    Evaluating(app).work()
    assert len(app.state_backend.find_events(call.invocation_id)) == 3
    (wait,) = app.trigger.find_waits("code")
    assert wait.buffered == 3
    assert "max_buffered_events" in caplog.text
    app.trigger.end_wait("w", 0)
    app.trigger.emit_event("code")
    Evaluating(app).work()
    assert len(app.state_backend.find_events(call.invocation_id)) == 4
