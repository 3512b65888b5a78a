"""Calls that the code of one runner cannot run are left to runners with other code, for a while."""

from __future__ import annotations

import time
from typing import Any

import plain_tasks
import pytest

from pynenc import Pynenc
from pynenc.exceptions import InvocationCancelledError, TaskNotFoundError
from pynenc.invocation.status import InvocationStatus
from pynenc.testing.app_fixtures import running


@pytest.fixture(params=["ThreadRunner", "AsyncRunner"])
def app(request: pytest.FixtureRequest) -> Pynenc:
    return Pynenc({"app_id": "other-code", "runner_cls": request.param, "logging_level": "critical"})


def until_blocked(app: Pynenc, invocation: Any) -> str:
    """Wait until a runner has met a call that it cannot run; the limit of the test ends a wait in vain."""
    while True:
        (state,) = app.orchestrator.read_states([invocation.invocation_id])
        if state is not None and state.is_parked and state.blocked_since:
            return str(state.waits_for)
        time.sleep(0.005)


def forget(app: Pynenc, task: Any) -> None:
    """Make the app one whose code does not have the task, and cannot import it."""
    del app.task_registry.tasks[task.task_id]


def test_a_task_that_is_not_known_runs_when_a_runner_knows_it(app: Pynenc) -> None:
    known, fresh = app.task(plain_tasks.add), app.task(plain_tasks.echo)
    forget(app, fresh)
    waiting, other = fresh("a"), known(1, 2)
    with running(app):
        assert other.wait(60) == 3
        assert "code that can run it: task 'plain_tasks.echo' is not known here" in until_blocked(
            app, waiting
        )
        app.task(plain_tasks.echo)
        assert waiting.wait(60) == "a"
    (state,) = app.orchestrator.read_states([waiting.invocation_id])
    assert state is not None
    assert (state.retries, state.recoveries) == (0, 0)


def test_it_fails_at_once_without_grace(app: Pynenc) -> None:
    app.conf.unknown_task_grace = 0
    fresh = app.task(plain_tasks.echo)
    forget(app, fresh)
    call = fresh("a")
    with running(app), pytest.raises(TaskNotFoundError):
        call.wait(60)
    assert InvocationStatus.RETRY not in [entry.status for entry in call.history]


def test_it_fails_when_the_grace_is_over(app: Pynenc) -> None:
    app.conf.unknown_task_grace = 0.3
    fresh = app.task(plain_tasks.echo)
    forget(app, fresh)
    call = fresh("a")
    with running(app), pytest.raises(TaskNotFoundError, match=r"'plain_tasks.echo' is not known here"):
        call.wait(60)
    entries = call.history
    blocked = next(entry for entry in entries if entry.status == InvocationStatus.RETRY)
    assert (entries[-1].timestamp - blocked.timestamp).total_seconds() >= 0.29


def test_a_blocked_call_can_be_cancelled(app: Pynenc) -> None:
    plain, root = app.task(plain_tasks.echo), app.workflow(plain_tasks.add)
    forget(app, plain)
    forget(app, root)
    calls: list[Any] = [plain("a"), root(1, 2)]
    with running(app):
        for call in calls:
            until_blocked(app, call)
            call.cancel()
            with pytest.raises(InvocationCancelledError):
                call.wait(60)


def test_a_waiting_caller_is_told(app: Pynenc, caplog: pytest.LogCaptureFixture) -> None:
    fresh = app.task(plain_tasks.echo)
    forget(app, fresh)
    call = fresh("a")
    app.logger.setLevel("WARNING")
    with running(app):
        until_blocked(app, call)
        with pytest.raises(TimeoutError):
            call.wait(5.2)
        app.task(plain_tasks.echo)
        call.cancel()
    told = [record.getMessage() for record in caplog.records]
    assert any("which waits for code that can run it" in each for each in told)


# --- versions of the code ----------------------------------------------------------------


def version_of(app: Pynenc, invocation: Any) -> str | None:
    (state,) = app.orchestrator.read_states([invocation.invocation_id])
    return state.code_version if state is not None else None


def test_a_workflow_keeps_the_version_with_which_it_began(app: Pynenc) -> None:
    app.conf.code_version = "v1"
    root, plain = app.workflow(plain_tasks.add), app.task(plain_tasks.echo)
    first, other = root(1), plain(1)
    with running(app):
        first.wait(60)
        other.wait(60)
        app.conf.code_version = "v2"
        second = root(2)
        second.wait(60)
    assert [version_of(app, each) for each in (first, second, other)] == ["v1", "v2", None]
    old = app.find_records(only_workflows=True, code_version="v1")
    assert [data.invocation_id for data, _ in old] == [first.invocation_id]


@pytest.mark.parametrize("here", ["v2", None])
def test_a_pinned_workflow_is_left_to_its_version(app: Pynenc, here: str | None) -> None:
    app.conf.code_version = "v1"
    app.conf.workflow_park_after_seconds = 0.0
    root = app.workflow(plain_tasks.wait_for_go, pin_version=True)
    call = root()
    with running(app):
        while version_of(app, call) is None or call.waits_for is None:
            time.sleep(0.005)
        app.conf.code_version = here
        app.send_event(call.invocation_id, "go")
        assert "began with code version 'v1' and is pinned to that" in until_blocked(app, call)
        app.conf.code_version = "v1"
        assert call.wait(60) == "gone"
    assert version_of(app, call) == "v1"


def test_an_unpinned_one_runs_with_any_version(app: Pynenc) -> None:
    app.conf.code_version = "v1"
    app.conf.workflow_park_after_seconds = 0.0
    call = app.workflow(plain_tasks.wait_for_go)()
    with running(app):
        while version_of(app, call) is None or call.waits_for is None:
            time.sleep(0.005)
        app.conf.code_version = "v2"
        app.send_event(call.invocation_id, "go")
        assert call.wait(60) == "gone"


def test_runners_publish_what_they_know(app: Pynenc) -> None:
    app.conf.code_version = "v1"
    app.task(plain_tasks.echo, name="some.name")
    with running(app):
        runner_id = app.runner.runner_id
        while app.state_backend.read_runners([runner_id])[0] is None:
            time.sleep(0.005)
        (data,) = app.state_backend.read_runners([runner_id])
        assert data is not None
        assert data.code_version == "v1"
        assert '"some.name"' in data.tasks
        while not app.orchestrator.live_runners(0.0):
            time.sleep(0.005)
        assert app.components.runners.knowing("some.name", 0.0) == [runner_id]
        assert app.components.runners.knowing("other.name", 0.0) == []
