"""Progress: what bodies report is seen by everybody else, at next to no cost."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import progress_bodies as bodies
import pytest
from sealed_apps import patch

from pynenc import Pynenc
from pynenc.exceptions import InvocationError, InvocationNotFoundError, StorageUnavailableError
from pynenc.invocation.progress import Progress, new_progress
from pynenc.lifecycle import progress
from pynenc.lifecycle.retention import old_progress, purge_ended
from pynenc.state_backend.progress_records import ProgressData
from pynenc.storage.group import Group
from pynenc.storage.record_store import Save
from pynenc.testing.app_fixtures import running
from pynenc.testing.inline_runner import InlineRunner


def make(path: Path, **settings: Any) -> Pynenc:
    """Return the app of another process, on the same file."""
    Pynenc.discard("progress")
    return Pynenc(
        {
            "app_id": "progress",
            "backend": "sqlite",
            "sqlite_db_path": str(path / "pynenc.db"),
            "logging_level": "critical",
            "cached_status_time": 0.0,
            "runner_cls": "ThreadRunner",
            **settings,
        }
    )


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Pynenc]:
    bodies.BEGUN.clear()
    bodies.GO_ON.clear()
    yield make(tmp_path)
    bodies.GO_ON.set()
    Pynenc.discard("progress")


def until(condition: Callable[[], Any]) -> Any:
    """Wait for something to be true; the time limit of the test ends a wait in vain."""
    while not (found := condition()):
        time.sleep(0.005)
    return found


def told(app: Pynenc, call: Any) -> tuple[float, float | None, str | None] | None:
    report = app.get_invocation(call.invocation_id).progress()
    return None if report is None else (report.done, report.total, report.message)


@pytest.mark.parametrize("runner", ["ThreadRunner", "AsyncRunner"])
@pytest.mark.parametrize("body", [bodies.many, bodies.many_async])
def test_the_last_report_is_there_with_the_result(tmp_path: Path, runner: str, body: Any) -> None:
    app = make(tmp_path, runner_cls=runner)
    task = app.task(body)
    with running(app):
        call = task(5000)
        assert call.wait(60) == 5000
        elsewhere = make(tmp_path)
        elsewhere.task(body)
        assert told(elsewhere, call) == (5000, 5000, "row 5000")


def test_it_is_seen_while_the_body_runs(app: Pynenc, tmp_path: Path) -> None:
    call = app.task(bodies.holds)()
    assert call.progress() is None
    elsewhere = make(tmp_path)
    elsewhere.task(bodies.holds)
    with running(app):
        assert until(lambda: told(elsewhere, call)) == (1, 2, "half")
        report = asyncio.run(elsewhere.get_invocation(call.invocation_id).aprogress())
        assert isinstance(report, Progress)
        assert report.fraction == 0.5
        bodies.GO_ON.set()
        call.wait(60)


def test_threads_of_a_body_report_too(app: Pynenc) -> None:
    with running(app):
        call = app.task(bodies.in_threads)(500)
        assert call.wait(60) == 500
        assert told(app, call) == (500, None, None)


def test_a_new_attempt_begins_without_a_report(app: Pynenc) -> None:
    call = app.task(bodies.fails_once, max_retries=1, retry_for=(ConnectionError,), retry_delay=0.0)()
    with running(app):
        until(lambda: len(bodies.BEGUN) == 2)
        assert until(lambda: call.num_retries == 1)
        assert told(app, call) is None
        bodies.GO_ON.set()
        call.wait(60)


def test_a_parked_workflow_keeps_its_report(app: Pynenc) -> None:
    app.conf.workflow_park_after_seconds = 0.0
    call = app.workflow(bodies.parks)()
    InlineRunner(app).run_due()
    assert told(app, call) == (1, 3, "waiting")
    app.send_event(call.invocation_id, "go on")
    InlineRunner(app).run_due()
    assert told(app, call) == (3, 3, None)


def test_what_is_repeated_reports_nothing_again(app: Pynenc) -> None:
    app.conf.workflow_park_after_seconds = 0.0
    bodies.SEEN.clear()
    call = app.workflow(bodies.parks_twice)()
    for done, event in [(1, "go on"), (2, "end"), (3, "")]:
        InlineRunner(app).run_due()
        assert told(app, call) == (done, 3, None)
        if event:
            app.send_event(call.invocation_id, event)
    assert bodies.SEEN == [2]


def test_a_report_is_no_operation_of_a_workflow(app: Pynenc) -> None:
    app.conf.workflow_park_after_seconds = 0.0
    bodies.LOUD.clear()
    call = app.workflow(bodies.reports_beside_steps)()
    InlineRunner(app).run_due()
    bodies.LOUD.add("a")  # its first operation came second
    app.send_event(call.invocation_id, "go on")
    InlineRunner(app).run_due()
    assert call.result == ["a", "b"]
    assert len(bodies.BEGUN) == 2


def test_a_thread_that_a_body_leaves_behind_reports_nothing(app: Pynenc) -> None:
    bodies.LATE.clear()
    call = app.task(bodies.returns_before_its_thread)()
    InlineRunner(app).run_due()
    bodies.GO_ON.set()
    bodies.THREADS.pop().join()
    (error,) = bodies.LATE
    assert isinstance(error, InvocationError)
    assert told(app, call) is None
    assert not app.components.progress.left


def test_an_earlier_run_replaces_no_report(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    reports = app.components.progress
    monkeypatch.setattr(reports, "_store", lambda taken: None)
    reports.leave("one", 2, new_progress(5, None, None, 0.0))
    reports.leave("one", 1, new_progress(9, None, None, 0.0))
    assert reports.left["one"].done == 5


def test_only_the_body_reports(app: Pynenc) -> None:
    call = app.task(bodies.many)(1)
    with pytest.raises(InvocationError, match=f"the progress of invocation {call.invocation_id} is reported"):
        call.progress(1)
    with pytest.raises(TypeError, match="needs 'done'"):
        call.progress(total=3)  # type: ignore[call-overload]
    app.purge()
    with pytest.raises(InvocationNotFoundError):
        call.progress()


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        (float("inf"), "ValueError: 'done' of a progress report is inf"),
        ("half", "TypeError: 'done' of a progress report is not a number: 'half'"),
        (1, "accepted"),
    ],
)
def test_wrong_reports_are_errors_of_the_body(app: Pynenc, value: Any, answer: str) -> None:
    call = app.task(bodies.reports)(value)
    InlineRunner(app).run_due()
    assert call.result.startswith(answer)


def test_inline(app: Pynenc) -> None:
    app.conf.dev_mode_force_sync_tasks = True
    call = app.task(bodies.many)(3)
    assert told(app, call) == (3, 3, "row 3")
    with pytest.raises(InvocationError, match="by its own body only"):
        call.progress(1)


def _running(app: Pynenc) -> tuple[Any, threading.Thread]:
    call = app.task(bodies.holds)()
    thread = threading.Thread(target=InlineRunner(app).run_due)
    thread.start()
    until(lambda: app.components.progress.left or told(app, call))
    return call, thread


def test_a_run_that_has_lost_its_claim_tells_nothing(app: Pynenc) -> None:
    call, thread = _running(app)
    until(lambda: not app.components.progress.left)
    app.state_backend.write([Save(ProgressData("other", 1, 1.0, None, "", 1.0))])
    (state,) = app.orchestrator.read_states([call.invocation_id])
    assert state is not None
    components = app.components
    components.progress.leave(call.invocation_id, state.claim - 1, new_progress(7, None, "late", time.time()))
    assert told(app, call) is None
    until(lambda: not components.progress.left)
    assert told(app, call) is None
    bodies.GO_ON.set()
    thread.join()


def test_a_store_that_is_away_gets_it_later(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    write, answers = (
        app.state_backend.write,
        iter([StorageUnavailableError("away")] * 2 + [ValueError("odd")]),
    )

    def sometimes(*given: Any) -> Any:
        error = next(answers, None)
        if error is not None:
            raise error
        return write(*given)

    monkeypatch.setattr(app.state_backend, "write", sometimes)
    reports = app.components.progress
    reports.leave("one", 1, new_progress(1, None, None, 0.0))
    until(lambda: not reports.left)  # after two outages, and given up because no store would take it
    assert app.state_backend.read(ProgressData, ["one"]) == [None]
    reports.leave("two", 1, new_progress(2, None, None, 0.0))
    until(lambda: not reports.left)
    (stored,) = app.state_backend.read(ProgressData, ["two"])
    assert stored is not None


def test_an_end_that_cannot_be_written_keeps_its_report(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    reports, group = app.components.progress, Group()
    monkeypatch.setattr(reports, "_store", lambda taken: None)
    reports.leave("one", 2, new_progress(1, None, None, 0.0))
    reports.stage(group, [("one", 1), ("other", 1)])
    group.send()
    assert set(reports.left) == {"one"}  # that was another run of it
    reports.stage(group, [("one", 2)])
    assert set(reports.left) == {"one"}
    reports.leave("one", 2, new_progress(2, None, None, 0.0))
    group.send()
    assert reports.left["one"].done == 2  # came after the end was put together
    (stored,) = app.state_backend.read(ProgressData, ["one"])
    assert stored is not None
    assert stored.done == 1


def test_what_is_reported_goes_with_the_invocation(app: Pynenc) -> None:
    call = app.task(bodies.many)(1)
    InlineRunner(app).run_due()
    later = app.components.now() + 60
    assert sum(old_progress(app.components, later)) == 0
    assert purge_ended(app.components, later) == 1
    assert sum(old_progress(app.components, later)) == 1
    assert app.state_backend.read(ProgressData, [call.invocation_id]) == [None]


def test_messages_are_sealed(tmp_path: Path) -> None:
    app = make(tmp_path, signing_keys=["a key for signatures of length 35 ok"])
    call = app.task(bodies.many)(3)
    InlineRunner(app).run_due()
    assert told(app, call) == (3, 3, "row 3")
    patch(app, "state_backend", "progress", call.invocation_id, done=2.0)
    assert told(app, call) is None


def test_a_report_costs_the_body_no_request(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    reports = app.components.progress
    stored: list[int] = []
    monkeypatch.setattr(reports, "_store", lambda taken: stored.append(len(taken)))
    for number in range(10_000):
        reports.leave("one", 1, new_progress(number, None, None, 0.0))
    assert len(stored) <= 2
    assert reports.left["one"].done == 9999


def test_the_thread_ends_when_nothing_is_reported(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_IDLE_S", 0.01)
    monkeypatch.setattr(progress, "_PAUSE_S", 0.0)
    reports = app.components.progress
    for number in range(3):
        reports.leave("one", 1, new_progress(number, None, None, 0.0))
        until(lambda: reports._thread is None)
        (stored,) = app.state_backend.read(ProgressData, ["one"])
        assert stored is not None
        assert stored.done == number
