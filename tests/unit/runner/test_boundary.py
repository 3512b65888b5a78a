"""Nothing of one invocation ends a worker, and nothing of one write holds up the others."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import plain_tasks
import pytest

from pynenc import Pynenc
from pynenc.calls.body import run_coroutine
from pynenc.conf.config_runner import ConfigRunner
from pynenc.context import RunnerContext
from pynenc.exceptions import (
    InvocationCancelledError,
    InvocationError,
    InvocationTimeoutError,
    RemoteTaskError,
    SerializationError,
    TaskNotFoundError,
)
from pynenc.interruption import Interruption, current_interruption
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.execution import Finished
from pynenc.plugins.hookspecs import hookimpl
from pynenc.plugins.registry import plugin_registry
from pynenc.runner import invoking
from pynenc.runner.engine import Engine
from pynenc.storage.operations import Patch
from pynenc.testing.app_fixtures import running

RUNNERS = ["ThreadRunner", "AsyncRunner"]


@pytest.fixture(params=RUNNERS)
def app(request: pytest.FixtureRequest) -> Pynenc:
    return Pynenc({"app_id": "boundary", "runner_cls": request.param, "logging_level": "critical"})


def refuse(app: Pynenc, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Let the storage refuse every write in which a text stands."""
    storage: Any = app.orchestrator
    execute = storage.storage.execute

    def checked(operations: Any) -> Any:
        if any(text in str(getattr(each, "values", "")) for each in operations):
            raise ValueError(f"the engine does not take {text}")
        return execute(operations)

    monkeypatch.setattr(storage.storage, "execute", checked)


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("is_told", [True, False])
def test_one_result_that_the_storage_refuses_fails_alone(
    runner: str, is_told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = {"client_data_store": {"disable_client_data_store": not is_told}}
    app = Pynenc({"app_id": "refusing", "runner_cls": runner, "logging_level": "critical", **store})
    repeat = app.task(plain_tasks.repeat)
    group = list(repeat.parallelize([("poi" if number == 7 else "x", 2) for number in range(40)]))
    refuse(app, monkeypatch, "poipoi")
    with running(app):
        assert [each.result for each in group if each is not group[7]] == ["xx"] * 39
        with pytest.raises((ValueError, RemoteTaskError)) as caught:
            group[7].wait(60)
    if is_told:
        assert "does not take poipoi" in str(caught.value)
    else:  # the reason names the text that is refused, so it is refused as well; constants are left
        assert "cannot be stored" in str(caught.value)


def test_hooks_that_exit_change_nothing(app: Pynenc) -> None:
    class Plugin:
        @hookimpl
        def pynenc_before_execution(self) -> None:
            raise SystemExit(3)

        @hookimpl
        def pynenc_after_execution(self) -> None:
            raise GeneratorExit

    plugin = Plugin()
    plugin_registry().manager.register(plugin)
    try:
        add = app.task(plain_tasks.add)
        with running(app):
            assert add(1, 2).wait(60) == 3
    finally:
        plugin_registry().manager.unregister(plugin)


def store_arguments(app: Pynenc, invocation_id: str, text: str) -> None:
    """Put a text in the place of the stored arguments of an invocation."""
    component: Any = app.state_backend
    table = next(each for each in component.tables if "arguments" in each.fields)
    component.storage.execute([Patch(table, invocation_id, {"arguments": text}, {})])


@pytest.mark.parametrize("stored", ["{", '{"x": 1}', "[]", '{"x": "{"}', '{"x": "@ref:nothing"}'])
def test_arguments_that_cannot_be_read_fail_their_invocation(app: Pynenc, stored: str) -> None:
    add = app.task(plain_tasks.add)
    bad, good = add(1, 2), add(3, 4)
    store_arguments(app, bad.invocation_id, stored)
    with running(app):
        assert good.wait(60) == 7
        with pytest.raises(Exception, match=r"argument|client data|arguments") as caught:
            bad.wait(60)
    assert bad.status == InvocationStatus.FAILED
    assert not isinstance(caught.value, TimeoutError)


def test_the_error_names_task_and_argument(app: Pynenc) -> None:
    take = app.task(plain_tasks.echo)
    invocation = take({"a": 1})
    text = '{"value": "{\\"__pynenc__\\": \\"enum\\", \\"class\\": \\"not_there:X\\", \\"name\\": \\"A\\"}"}'
    store_arguments(app, invocation.invocation_id, text)
    with running(app), pytest.raises(SerializationError) as caught:
        invocation.wait(60)
    assert str(caught.value).startswith("task 'plain_tasks.echo' → argument 'value' → stored JSON")
    assert "not_there" in str(caught.value)


def test_a_module_that_exits_when_it_is_imported(
    app: Pynenc, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "leaving_module.py").write_text("import sys\nsys.exit(3)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(TaskNotFoundError, match="'allowed_task_packages'"):
        app.find_task("leaving_module.work")
    app.conf.allowed_task_packages = ("leaving_module",)
    with pytest.raises(TaskNotFoundError, match="SystemExit: 3"):
        app.find_task("leaving_module.work")


def test_what_goes_wrong_in_the_engine_itself_fails_the_invocation(
    app: Pynenc, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = app.task(plain_tasks.add)
    outcome = invoking._outcome
    broken: list[bool] = []

    def fail_once(*arguments: Any) -> Finished:
        if not broken:
            broken.append(True)
            raise SystemExit("in the engine")
        return outcome(*arguments)

    monkeypatch.setattr(invoking, "_outcome", fail_once)
    with running(app):
        with pytest.raises(RemoteTaskError, match="SystemExit: in the engine"):
            add(1, 2).wait(60)
        assert add(3, 4).wait(60) == 7


def test_the_last_resort_can_be_read(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    add = app.task(plain_tasks.add)

    def fail(*arguments: Any) -> Any:
        raise GeneratorExit

    monkeypatch.setattr(invoking, "_outcome", fail)
    monkeypatch.setattr(app.components.values, "pack_error", fail)
    with running(app), pytest.raises(RemoteTaskError, match="cannot be stored") as caught:
        add(1, 2).wait(60)
    assert caught.value.type_name == f"{InvocationError.__module__}.InvocationError"


# --- threads -----------------------------------------------------------------------------


@pytest.fixture
def engine() -> Iterator[Engine]:
    app = Pynenc({"app_id": "threads", "runner_cls": "ThreadRunner", "logging_level": "critical"})
    engine = Engine(app, RunnerContext("ThreadRunner"), ConfigRunner(), 2)
    yield engine
    engine.stop(5, threading.Event())


def test_a_worker_thread_that_dies_is_replaced(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    add = engine.app.task(plain_tasks.add)  # type: ignore[attr-defined]
    work, died = engine._work, threading.Event()

    def die_once() -> None:
        if not died.is_set():
            died.set()
            raise SystemExit("unforeseen")
        work()

    monkeypatch.setattr(engine, "_work", die_once)
    engine.start()
    assert died.wait(60)
    assert add(1, 2).wait(60) == 3
    with engine._changed:
        assert engine._threads == 2


def test_threads_that_cannot_be_had_are_started_later(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = engine.app.task(plain_tasks.add)  # type: ignore[attr-defined]
    start, refused = threading.Thread.start, []

    def start_later(thread: threading.Thread) -> None:
        if thread.name == "pynenc-worker" and len(refused) < 2:
            refused.append(thread)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_later)
    engine.start()
    invocation = add(1, 2)
    engine.heartbeat.hurry()
    engine.heartbeat.hurry()
    assert invocation.wait(60) == 3
    assert refused


def test_a_forked_child_of_a_body_leaves_at_once(engine: Engine) -> None:
    fork = engine.app.task(plain_tasks.fork)  # type: ignore[attr-defined]
    engine.start()
    assert fork(3).wait(60) == 3
    assert fork(0).wait(60) == 0
    assert os.getpid() == engine.identity.pid


def test_what_a_body_changes_in_its_worker_does_not_reach_the_next(tmp_path: Path) -> None:
    app = Pynenc({"app_id": "surroundings", "runner_cls": "ThreadRunner", "logging_level": "critical"})
    engine = Engine(app, RunnerContext("ThreadRunner"), ConfigRunner(), 1, force=lambda: None)
    change, look = app.task(plain_tasks.change_surroundings), app.task(plain_tasks.surroundings)
    gone = tmp_path / "gone"
    gone.mkdir()
    expected = plain_tasks.surroundings()
    engine.start()
    try:
        for folder in (str(tmp_path), str(gone)):
            change(folder, folder == str(gone)).wait(60)
            assert look().wait(60) == expected
    finally:
        engine.stop(5, threading.Event())


@pytest.mark.parametrize("way", ["cancel", "timeout", "waiting"])
def test_a_coroutine_is_told_on_every_runner(app: Pynenc, way: str) -> None:
    app.task(plain_tasks.sleep_for_ever)
    task = app.task(plain_tasks.await_for_ever if way == "waiting" else plain_tasks.sleep_for_ever)
    call = task.options(timeout=0.05)() if way == "timeout" else task()
    with running(app):
        while way != "timeout" and InvocationStatus.RUNNING not in [each.status for each in call.history]:
            pass
        if way != "timeout":
            call.cancel(children=True)
        with pytest.raises((InvocationCancelledError, InvocationTimeoutError)):
            call.wait(60)
        assert app.task(plain_tasks.add_async)(1, 2).wait(60) == 3


def test_a_request_that_comes_before_a_coroutine_runs_is_heard() -> None:
    interruption = Interruption()
    assert interruption.request(InvocationCancelledError("early"))
    token = current_interruption.set(interruption)
    try:
        with pytest.raises(InvocationCancelledError, match="early"):
            run_coroutine(plain_tasks.sleep_for_ever())
    finally:
        current_interruption.reset(token)


def test_an_engine_that_was_done_before_anybody_asked_says_so() -> None:
    app = Pynenc({"app_id": "spent", "logging_level": "critical"})
    task = app.task(plain_tasks.add)
    invocation = task(1, 2)
    engine = Engine(app, RunnerContext("ThreadRunner"), ConfigRunner(), 1, quota=1)
    engine.start()
    try:
        assert invocation.wait(30) == 3
        with engine._changed:
            assert engine._changed.wait_for(lambda: engine._threads == 0, 30)
        told = threading.Event()
        engine.when_spent(told.set)
        assert told.is_set()
    finally:
        engine.stop(0, threading.Event())
