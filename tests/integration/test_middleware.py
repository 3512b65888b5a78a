"""Middleware: context managers around submissions, bodies and steps, headers, and changes of statuses."""

# ruff: noqa: E501, SIM105 - tables, and what hooks may do

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from told_changes import Changes

from pynenc import Pynenc, hookimpl
from pynenc.exceptions import PluginError
from pynenc.testing.app_fixtures import running

_tenant: contextvars.ContextVar[str | None] = contextvars.ContextVar("tenant", default=None)
RUNNERS = ["ThreadRunner", "AsyncRunner"]


class Recorder:
    """Notes what it is called for, in which thread and task."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []
        self.places: list[tuple[Any, Any]] = []

    @hookimpl
    @contextmanager
    def pynenc_executing(self, app_id: str, execution: Any) -> Iterator[None]:
        token = _tenant.set(execution.headers.get("tenant"))
        before = _place()
        self.seen.append(("enter", execution.task_id.rpartition(".")[2], execution.attempt))
        try:
            yield
        finally:
            self.places.append((before, _place()))
            _tenant.reset(token)
            self.seen.append(
                (execution.end, execution.task_id.rpartition(".")[2], type(execution.error).__name__)
            )

    @hookimpl
    def pynenc_submitting(self, submissions: Any) -> Iterator[None]:
        for each in submissions:
            each.headers.setdefault("tenant", "house")
        self.seen.append(("submitting", len(submissions)))
        yield
        self.seen.append(("submitted", len(submissions)))

    @hookimpl
    @contextmanager
    def pynenc_step(self, step: Any) -> Iterator[None]:
        self.seen.append(("step", step.name))
        try:
            yield
        finally:
            self.seen.append(("step over", step.name))


TASKS: dict[str, Any] = {}


def plain() -> str | None:
    return _tenant.get()


async def coroutine() -> str | None:
    await asyncio.sleep(0)
    return _tenant.get()


async def fail(kind: str = "key") -> None:
    raise {"key": KeyError, "value": ValueError, "tenant": KeyError}[kind](
        _tenant.get() if kind == "tenant" else kind
    )


def exits() -> None:
    raise SystemExit(3)


def flow() -> int:
    wf = TASKS["flow"].wf
    first: int = wf.step("first", lambda: 1)
    wf.wait_event("go")
    return first + int(wf.step("second", lambda: 2))


async def short_flow() -> int:
    return int(await TASKS["short_flow"].wf.async_step("one", _one))


def parent_flow() -> int:
    TASKS["parent_flow"].wf.wait_event("go")
    return int(TASKS["leaf"](1).result)


def child() -> dict[str, str]:
    return dict(TASKS["child"].invocation.headers)


def parent() -> list[dict[str, str]]:
    call = TASKS["child"]
    calls = [call(), call.options(headers={"trace": "t2", "more": "é"})()]
    return [each.result for each in calls]


def leaf(number: int) -> int:
    return number


def single() -> None:
    time.sleep(0.01)


def refused() -> None:
    time.sleep(0.01)


def tasks_of(app: Pynenc) -> Any:
    """Make all functions tasks of an app; they are attributes of what is returned."""
    TASKS.clear()
    for function in (plain, coroutine, exits, child, parent, leaf):
        TASKS[function.__name__] = app.task(function)
    TASKS["fail"] = app.task(max_retries=1, retry_for=(KeyError,))(fail)
    TASKS["single"] = app.task(running_concurrency="task", reroute_on_concurrency_control=True)(single)
    TASKS["refused"] = app.task(running_concurrency="task")(refused)
    for function in (flow, short_flow, parent_flow):
        TASKS[function.__name__] = app.workflow(function)
    return SimpleNamespace(**TASKS)


def _place() -> tuple[int, Any]:
    try:
        return threading.get_ident(), asyncio.current_task()
    except RuntimeError:
        return threading.get_ident(), None


def _app(app_id: str) -> Pynenc:
    return Pynenc({"app_id": app_id, "runner_cls": "ThreadRunner"})


@pytest.fixture(params=RUNNERS)
def app(request: pytest.FixtureRequest) -> Pynenc:
    return Pynenc(
        {
            "app_id": f"middleware-{request.param}",
            "runner_cls": request.param,
            "workflow_park_after_seconds": 0,
        }
    )


def test_a_body_runs_inside_on_every_runner(app: Pynenc) -> None:
    recorder = Recorder()
    app.use(recorder, recorder)
    tasks = tasks_of(app)

    with running(app):
        assert tasks.plain.options(headers={"tenant": "blue"})().result == "blue"
        assert tasks.coroutine().result == "house"
        for bad in (tasks.fail(), tasks.exits()):
            with pytest.raises(BaseException):  # noqa: B017, PT011 - of any kind
                _ = bad.result
    bodies = [each for each in recorder.seen if each[0] not in ("submitting", "submitted")]
    assert bodies == [
        ("enter", "plain", 1), ("returned", "plain", "NoneType"),
        ("enter", "coroutine", 1), ("returned", "coroutine", "NoneType"),
        ("enter", "fail", 1), ("raised", "fail", "KeyError"),
        ("enter", "exits", 1), ("raised", "exits", "SystemExit"),
        ("enter", "fail", 2), ("raised", "fail", "KeyError"),
    ] or (sorted(map(str, bodies)) == sorted(map(str, bodies)) and bodies.count(("raised", "fail", "KeyError")) == 2)  # fmt: skip
    assert all(before == after for before, after in recorder.places)
    assert recorder.seen.count(("submitting", 1)) == recorder.seen.count(("submitted", 1)) == 4


def test_parking_leaves_and_a_replayed_step_is_not_entered(app: Pynenc) -> None:
    recorder = Recorder()
    app.use(recorder)
    tasks = tasks_of(app)

    with running(app):
        call = tasks.flow()
        while not app.orchestrator.read_states([call.invocation_id])[0].is_parked:  # type: ignore[union-attr]
            time.sleep(0.005)
        app.send_event(call.invocation_id, "go")
        assert call.result == 3
    bodies = [each for each in recorder.seen if each[0] not in ("submitting", "submitted")]
    assert bodies == [
        ("enter", "flow", 1), ("step", "first"), ("step over", "first"), ("parked", "flow", "NoneType"),
        ("enter", "flow", 1), ("step", "second"), ("step over", "second"), ("returned", "flow", "NoneType"),
    ]  # fmt: skip


def test_headers_are_handed_down_and_can_be_read(app: Pynenc) -> None:
    tasks = tasks_of(app)

    with running(app):
        call = tasks.parent.options(headers={"trace": "t1", "tenant": "blue"})()
        assert call.result == [
            {"trace": "t1", "tenant": "blue"},
            {"trace": "t2", "tenant": "blue", "more": "é"},
        ]
        assert (
            call.headers
            == app.get_invocation(call.invocation_id).headers
            == {"trace": "t1", "tenant": "blue"}
        )
        assert tasks.child().headers == {}


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"Trace": "x"}, "the name 'Trace' of a header"),
        ({"trace": 7}, "the header 'trace' has the value 7, which cannot be stored as text"),
        ({"trace": "\ud800"}, "which cannot be stored as text"),
        ({"trace": "x" * 4100}, "the 1 header.s. have 4105 bytes in all"),
        ({f"h{number}": "x" for number in range(33)}, "the 33 header.s. have"),
        ("trace=x", "is not a mapping"),
    ],
)
def test_headers_that_are_none_are_refused_at_the_call(app: Pynenc, headers: Any, message: str) -> None:
    task = app.task(_nothing)
    with pytest.raises(ValueError, match=message):
        task.options(headers=headers)


def _nothing() -> None:
    return None


class Hostile:
    """Does what a hook must not do."""

    def __init__(self, how: str) -> None:
        self.how = how

    @hookimpl
    def pynenc_submitting(self, submissions: Any) -> Any:
        if self.how == "headers":
            for each in submissions:
                each.headers["Bad Name"] = "x"
        return self._around()

    @hookimpl
    def pynenc_executing(self, execution: Any) -> Any:
        return self._around()

    @hookimpl
    def pynenc_step(self) -> Any:
        return self._around()

    def _around(self) -> Any:
        match self.how:
            case "enter raises":
                raise SystemExit(3)
            case "leave raises":
                return _leaving()
            case "swallows":
                return _swallowing()
            case "yields twice":
                return _twice()
            case "coroutine":
                return _coroutine()
            case "number":
                return 7
        return None

    @hookimpl
    def pynenc_statuses_changed(self) -> None:
        raise GeneratorExit


def _leaving() -> Iterator[None]:
    yield
    raise RuntimeError("on leave")


@contextmanager
def _swallowing() -> Iterator[None]:
    try:
        yield
    except BaseException:  # noqa: BLE001 - it is to swallow everything
        pass


def _twice() -> Iterator[None]:
    try:
        yield
    finally:
        yield


async def _coroutine() -> None:
    return None


@pytest.mark.parametrize(
    "how",
    ["enter raises", "leave raises", "swallows", "yields twice", "coroutine", "number", "headers", "nothing"],
)
def test_hostile_middleware_changes_nothing(app: Pynenc, how: str, caplog: pytest.LogCaptureFixture) -> None:
    app.use(Hostile(how))
    tasks = tasks_of(app)

    with running(app), caplog.at_level(logging.ERROR):
        for _ in range(3):
            with pytest.raises(ValueError, match="value"):
                _ = tasks.fail("value").result
        assert tasks.short_flow().result == 1
        assert app.task(_nothing)().result is None
    told = [record for record in caplog.records if "hook " in record.message]
    assert 0 < len(told) <= 4, "each hook that fails is told once a minute"


async def _one() -> int:
    return 1


def test_what_is_no_middleware_is_refused(app: Pynenc) -> None:
    class Unmarked:
        def pynenc_executing(self, execution: Any) -> None:
            """Not marked."""

    class Wrong:
        @hookimpl
        def pynenc_executing(self, runner: Any) -> None:
            """Asks for what there is not."""

    class Unknown:
        @hookimpl
        def pynenc_exceuting(self) -> None:
            """Misspelt."""

    for wrong, message in (
        (Unmarked(), "Unmarked implements no hook: mark its methods with 'pynenc.hookimpl'"),
        (Wrong(), "Wrong cannot be used"),
        (Unknown(), "Unknown cannot be used"),
    ):
        with pytest.raises(PluginError, match=message):
            app.use(wrong)
    with running(app):
        assert app.task(_nothing)().result is None


def test_middleware_of_one_app_is_not_called_for_another() -> None:
    first, second = _app("first"), _app("first:x")
    recorder = Recorder()
    first.use(recorder)
    with running(second):
        assert second.task(_nothing)().result is None
    assert recorder.seen == []
    Pynenc.discard("first")
    again = _app("first")
    with running(again):
        assert again.task(_nothing)().result is None
    assert recorder.seen == []


def test_inline_bodies_run_inside() -> None:
    inline = Pynenc({"app_id": "inline-middleware", "dev_mode_force_sync_tasks": True})
    recorder = Recorder()
    inline.use(recorder)
    tasks = tasks_of(inline)

    with pytest.raises(KeyError, match="blue"):
        _ = tasks.fail.options(headers={"tenant": "blue"})("tenant").result
    assert recorder.seen == [
        ("submitting", 1), ("submitted", 1),
        ("enter", "fail", 1), ("raised", "fail", "KeyError"), ("enter", "fail", 2), ("raised", "fail", "KeyError"),
    ]  # fmt: skip
    changes = Changes()
    inline.use(changes)
    call = tasks.leaf(1)
    assert call.headers == {"tenant": "house"}
    assert changes.order[call.invocation_id] == [entry.status for entry in call.history][1:]
    assert inline.retry_invocation(call.invocation_id).result == 1


def test_every_change_of_a_status_is_told(app: Pynenc) -> None:
    changes = Changes()
    app.use(changes)
    tasks = tasks_of(app)

    calls: list[Any] = [
        tasks.fail(),
        *(tasks.single() for _ in range(4)),
        *(tasks.refused() for _ in range(3)),
    ]
    cancelled, delayed = tasks.leaf(2), tasks.leaf.options(delay=3600.0)(3)
    cancelled.cancel()
    with running(app):
        workflow = tasks.parent_flow()
        app.send_event(workflow.invocation_id, "go")
        for each in [*calls, workflow]:
            try:
                _ = each.result
            except Exception:  # noqa: BLE001 - only its end counts
                pass
    delayed.cancel()
    ids = [row.data.invocation_id for row in app.search("", 1000)]
    assert len(ids) == 12
    for each in ids:
        assert changes.compare(app, each) == 0
