"""One kind of handle, whether a runner executes the call, an earlier one is reused or it runs inline."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import plain_tasks
import pytest

from pynenc import Pynenc
from pynenc.calls import inline_records
from pynenc.calls.interfaces import BaseInvocation, InvocationGroup
from pynenc.client import waiting
from pynenc.client.dist_invocation import DistributedInvocation, ReusedInvocation
from pynenc.client.inline_invocation import ConcurrentInvocation
from pynenc.exceptions import (
    ConcurrencyControlledError,
    InvocationCancelledError,
    InvocationNotFoundError,
    RemoteTaskError,
)
from pynenc.invocation.status import InvocationStatus
from pynenc.testing.inline_runner import InlineRunner

MEMBERS = {
    "arguments",
    "async_result",
    "call",
    "cancel",
    "error",
    "history",
    "invocation_id",
    "num_retries",
    "result",
    "status",
    "task",
    "wait",
    "waits_for",
    "workflow",
}
OF_GROUPS = {
    "as_completed",
    "async_as_completed",
    "async_outcomes",
    "async_result",
    "async_results",
    "cancel",
    "error",
    "outcomes",
    "result",
    "results",
    "status",
    "task",
    "wait",
}


@pytest.fixture(params=["inline", "distributed"])
def app(request: pytest.FixtureRequest) -> Pynenc:
    is_inline = request.param == "inline"
    settings = {"dev_mode_force_sync_tasks": is_inline, "logging_level": "critical"}
    return Pynenc({"app_id": "handles", "runner_cls": "ThreadRunner", **settings})


@contextmanager
def running(app: Pynenc) -> Iterator[None]:
    """Execute what is called inside the block; inline calls need nothing."""
    if app.conf.dev_mode_force_sync_tasks:
        yield
        return
    thread = threading.Thread(target=app.runner.run)
    thread.start()
    try:
        yield
    finally:
        app.runner.stop_runner_loop()
        thread.join()


def run_all(app: Pynenc) -> None:
    """Run what is queued, past messages of what was cancelled."""
    runner = InlineRunner(app)
    while app.broker.depth(["default"])["default"].ready:
        runner.run_due()


def test_every_handle_has_the_same_members(app: Pynenc) -> None:
    with running(app):
        invocation, group = app.task(plain_tasks.add)(1), app.task(plain_tasks.add).parallelize([(1,), (2,)])
        assert invocation.result == 11
        for name in MEMBERS:
            assert hasattr(invocation, name), name
        for name in OF_GROUPS:
            assert hasattr(group, name), name
    assert isinstance(invocation, BaseInvocation)
    assert isinstance(group, InvocationGroup)
    assert {name for name in vars(BaseInvocation) if not name.startswith("_")} >= MEMBERS - {
        "invocation_id",
        "task",
        "workflow",
    }
    assert [entry.status for entry in invocation.history][-1] == InvocationStatus.SUCCESS
    assert (invocation.num_retries, invocation.waits_for, invocation.error) == (0, None, None)


def test_a_handle_is_found_by_its_id(app: Pynenc) -> None:
    with running(app):
        invocation = app.task(plain_tasks.add)(1, 2)
        again = app.get_invocation(invocation.invocation_id)
        assert (again.result, again.arguments.kwargs, again) == (3, {"x": 1, "y": 2}, invocation)
        assert [each.invocation_id for each in app.find_invocations()] == [invocation.invocation_id]
        assert app.find_invocations(statuses="failed") == []
    with pytest.raises(InvocationNotFoundError, match="no invocation 'nothing' is stored"):
        app.get_invocation("nothing")


def test_the_outcomes_of_a_group_are_values_or_errors_in_order(app: Pynenc) -> None:
    task = app.task(plain_tasks.echo_or_fail)
    with running(app):
        group = task.parallelize([(1,), ("bad",), (3,), ("worse",)])
        first, bad, third, worse = group.outcomes(timeout_s=60)
        assert (first, third) == (1, 3)
        assert [str(bad), str(worse)] == ["bad", "worse"]
        assert group.error == [None, bad, None, worse]
        assert group.status == {InvocationStatus.SUCCESS: 2, InvocationStatus.FAILED: 2}
        with pytest.raises(ValueError, match="^bad$"):
            group.wait()
        results = group.results
        assert next(results) == 1
        with pytest.raises(ValueError, match="^bad$"):
            next(results)
        assert group.outcomes() == [1, bad, 3, worse]


def test_a_group_is_a_sequence_of_its_invocations(app: Pynenc) -> None:
    with running(app):
        group = app.task(plain_tasks.echo).parallelize([(number,) for number in range(4)])
        assert (len(group), group[1].result, [each.result for each in group[2:]]) == (4, 1, [2, 3])
        assert group.result == [0, 1, 2, 3]
        assert sorted(each.result for each in group.as_completed(timeout_s=60)) == [0, 1, 2, 3]
        assert repr(group) == "<InvocationGroup of 4 of plain_tasks.echo>"


def test_a_group_of_nothing_has_ended(app: Pynenc) -> None:
    group = app.task(plain_tasks.echo).parallelize([])
    assert (group.result, group.outcomes(), list(group.as_completed()), group.status) == ([], [], [], {})
    group.cancel()
    assert asyncio.run(group.async_result()) == []


def test_a_group_is_awaited(app: Pynenc) -> None:
    task = app.task(plain_tasks.echo_or_fail)

    async def main() -> None:
        group = task.parallelize([(1,), (2,)])
        assert await group.async_result(timeout_s=60) == [1, 2]
        assert [result async for result in group.async_results()] == [1, 2]
        assert {each.result async for each in group.async_as_completed()} == {1, 2}
        mixed = await task.parallelize([(1,), ("bad",)]).async_outcomes()
        assert (mixed[0], str(mixed[1])) == (1, "bad")
        assert await task(5).async_result(timeout_s=60) == 5

    with running(app):
        asyncio.run(main())


def test_one_call_in_a_group_twice_is_given_twice() -> None:
    app = Pynenc({"app_id": "handles", "runner_cls": "ThreadRunner"})
    task = app.task(plain_tasks.echo, registration_concurrency="arguments")
    group = task.parallelize([(1,), (1,)])
    assert isinstance(group[1], ReusedInvocation)
    InlineRunner(app).run_due()
    assert [each.result for each in group.as_completed()] == [1, 1]
    assert group.result == [1, 1]


# --- errors and timeouts ---------------------------------------------------------------


@pytest.fixture
def waiting_app() -> Pynenc:
    return Pynenc({"app_id": "handles", "runner_cls": "ThreadRunner"})


def test_the_error_is_there_as_soon_as_the_status_is(waiting_app: Pynenc) -> None:
    waiting_app.conf.cached_status_time = 0.0
    invocation = waiting_app.task(plain_tasks.fail)("no")
    assert invocation.error is None
    InlineRunner(waiting_app).run_due()
    assert isinstance(invocation.error, ValueError)
    again = waiting_app.get_invocation(invocation.invocation_id)
    assert (again.status, str(again.error)) == (InvocationStatus.FAILED, "no")
    with pytest.raises(ValueError, match="^no$") as raised:
        _ = again.result
    assert raised.value is again.error


def test_the_error_of_what_never_ran_says_why(waiting_app: Pynenc) -> None:
    waiting_app.conf.cached_status_time = 0.0
    cancelled = waiting_app.task(plain_tasks.add)(1)
    cancelled.cancel()
    assert isinstance(cancelled.error, InvocationCancelledError)
    task = waiting_app.task(plain_tasks.wait_for_add, running_concurrency="task")
    waiting_app.task(plain_tasks.add)
    outer, blocked = task(1), task(2)
    run_all(waiting_app)
    assert outer.result == 2
    assert isinstance(blocked.error, ConcurrencyControlledError)


def test_all_of_a_group_are_cancelled_in_one_batch(waiting_app: Pynenc) -> None:
    group = waiting_app.task(plain_tasks.add).parallelize([(1,), (2,), (3,)])
    group.cancel()
    assert group.status == {InvocationStatus.CANCELLED: 3}
    assert all(isinstance(each, InvocationCancelledError) for each in group.outcomes())


def test_a_wait_is_over_in_time_and_nothing_is_cancelled(waiting_app: Pynenc) -> None:
    task = waiting_app.task(plain_tasks.add)
    invocation, group = task(1), task.parallelize([(1,), (2,)])
    with pytest.raises(TimeoutError, match=r"1 invocation\(s\) of app 'handles' have not ended"):
        invocation.wait(0.001)
    with pytest.raises(TimeoutError, match=r"2 invocation\(s\)"):
        group.wait(0.001)
    with pytest.raises(TimeoutError, match=r"2 invocation\(s\)"):
        group.outcomes(0)
    with pytest.raises(TimeoutError):
        list(group.as_completed(0.001))

    async def main() -> None:
        with pytest.raises(
            TimeoutError, match=r"1 invocation\(s\) of app 'handles' have not ended in 0.001 s"
        ):
            await invocation.async_result(0.001)
        with pytest.raises(TimeoutError):
            await group.async_outcomes(0.001)

    asyncio.run(main())
    assert invocation.status == InvocationStatus.REGISTERED
    InlineRunner(waiting_app).run_due()
    assert (invocation.wait(0), group.result) == (11, [11, 12])


@pytest.mark.parametrize("is_async", [False, True])
def test_a_waiter_without_any_runner_is_warned(
    waiting_app: Pynenc, is_async: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(waiting, "REMIND_AFTER_S", 0.01)
    invocation = waiting_app.task(plain_tasks.add)(1)
    waiting_app.logger.propagate = True
    wait = partial(asyncio.run, invocation.async_result(0.05)) if is_async else partial(invocation.wait, 0.05)
    with caplog.at_level(logging.WARNING), pytest.raises(TimeoutError):
        wait()
    assert "no runner of app 'handles' is alive" in caplog.text


def test_results_that_are_there_come_at_once(waiting_app: Pynenc) -> None:
    task = waiting_app.task(plain_tasks.echo)
    first = task(1)
    InlineRunner(waiting_app).run_due()
    group = InvocationGroup(task, [first, task(2)])
    assert first.result == 1
    assert next(group.results) == 1  # the other has not run

    async def main() -> int:
        return await anext(group.async_results().__aiter__())

    assert asyncio.run(main()) == 1


def test_a_member_that_was_purged_spoils_nothing_for_the_others(waiting_app: Pynenc) -> None:
    waiting_app.conf.cached_status_time = 0.0
    task = waiting_app.task(plain_tasks.echo)
    group = task.parallelize([(1,), (2,), (3,), (4,)])
    gone = group[1]
    (state,) = waiting_app.orchestrator.read_states([gone.invocation_id])
    assert state is not None
    waiting_app.orchestrator.delete([state])
    group[3].cancel()
    group.cancel()
    assert group.status == {InvocationStatus.CANCELLED: 3}
    assert isinstance(group.error[1], InvocationNotFoundError)
    again = task.parallelize([(1,), (2,), (3,)])
    (state,) = waiting_app.orchestrator.read_states([again[1].invocation_id])
    assert state is not None
    waiting_app.orchestrator.delete([state])
    run_all(waiting_app)
    one, lost, three = again.outcomes(timeout_s=60)
    assert (one, three, type(lost)) == (1, 3, InvocationNotFoundError)
    assert {each.invocation_id for each in again.as_completed()} == {each.invocation_id for each in again}
    with pytest.raises(InvocationNotFoundError):
        again.wait()

    async def main() -> list[Any]:
        return await InvocationGroup(task, [gone, again[0]]).async_outcomes(timeout_s=60)

    lost, one = asyncio.run(main())
    assert (type(lost), one) == (InvocationNotFoundError, 1)


@pytest.mark.parametrize("timeout_s", [float("nan"), "1", True])
def test_a_timeout_that_is_not_a_number_is_refused(app: Pynenc, timeout_s: Any) -> None:
    task = app.task(plain_tasks.add)
    invocation, group = task(1), task.parallelize([(1,)])
    for wait in (invocation.wait, group.wait, group.outcomes):
        if app.conf.dev_mode_force_sync_tasks and wait != invocation.wait:
            continue  # nothing is waited for
        with pytest.raises(ValueError, match=r"timeout_s=.* is not a number of seconds"):
            wait(timeout_s)
    with pytest.raises(ValueError, match=r"timeout_s=.* is not a number of seconds"):
        asyncio.run(invocation.async_result(timeout_s))


@pytest.mark.parametrize(
    "error", [SystemExit(3), GeneratorExit(), asyncio.CancelledError(), StopIteration(1)]
)
def test_whatever_a_body_raises_is_its_error(app: Pynenc, error: BaseException) -> None:
    task = app.task(plain_tasks.raise_it)
    with running(app):
        group = task.parallelize([(error,), (None,)])
        raised, nothing = group.outcomes(timeout_s=60)
    assert nothing is None
    assert group[0].status == InvocationStatus.FAILED
    if isinstance(error, Exception):
        assert type(raised) is type(error)
    else:  # it must not end who reads it
        assert isinstance(raised, RemoteTaskError)
        assert raised.type_name.endswith(type(error).__name__)
    with pytest.raises(type(raised)):
        group.wait()


def test_ctrl_c_in_an_inline_body_reaches_the_user_and_the_record() -> None:
    app = Pynenc({"app_id": "handles", "dev_mode_force_sync_tasks": True})
    with pytest.raises(KeyboardInterrupt):
        app.task(plain_tasks.raise_it)(KeyboardInterrupt())
    (found,) = app.find_invocations()
    assert (found.status, type(found.error)) == (InvocationStatus.FAILED, KeyboardInterrupt)


# --- inline ----------------------------------------------------------------------------


def test_the_latest_inline_invocations_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inline_records, "KEPT", 2)
    app = Pynenc({"app_id": "handles", "dev_mode_force_sync_tasks": True})
    task = app.task(plain_tasks.echo)
    held, *ids = task(0), task(1).invocation_id, task(2).invocation_id, task(3).invocation_id
    with pytest.raises(InvocationNotFoundError):
        app.get_invocation(ids[0])
    assert [app.get_invocation(each).result for each in ids[1:]] == [2, 3]
    assert app.get_invocation(held.invocation_id) is held
    assert [each.result for each in app.find_invocations(limit=1)] == [3]


def test_an_inline_workflow_is_found_with_its_data() -> None:
    app = Pynenc({"app_id": "handles", "dev_mode_force_sync_tasks": True})
    task = app.workflow(plain_tasks.remember)
    plain = app.task(plain_tasks.add)(1)
    invocation = task("key", 5)
    assert isinstance(invocation, ConcurrentInvocation)
    assert app.workflow_data(invocation.workflow.workflow_id) == {"key": 5}
    assert app.find_workflows() == [invocation]
    assert plain in app.find_invocations()


def test_a_handle_travels_as_its_id(waiting_app: Pynenc) -> None:
    task: Any = waiting_app.task(plain_tasks.add)
    invocation = task(1)
    text = waiting_app.serializer.serialize(invocation)
    back = waiting_app.serializer.deserialize(text)
    assert isinstance(back, DistributedInvocation)
    assert (back, back.task, back.kwargs) == (invocation, task, {"x": 1})
