"""Workflows under names, and messages to them that are answered."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import messaged_workflows as bodies
import plain_tasks
import pytest

from pynenc import Pynenc
from pynenc.client.workflow_messages import WorkflowView
from pynenc.exceptions import (
    CallConflictError,
    EventTimeoutError,
    InvocationCancelledError,
    InvocationNotFoundError,
    SerializationError,
    TaskDefinitionError,
    TriggerError,
    UpdateRefusedError,
    WorkflowExistsError,
    WorkflowUsageError,
)
from pynenc.invocation.status import InvocationStatus
from pynenc.task import Task
from pynenc.testing import rehearsing
from pynenc.testing.app_fixtures import running

_S = InvocationStatus


@pytest.fixture(params=["ThreadRunner", "AsyncRunner"])
def app(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Pynenc]:
    app = Pynenc(
        {
            "app_id": "messages",
            "backend": "sqlite",
            "sqlite_db_path": str(tmp_path / "pynenc.db"),
            "runner_cls": request.param,
            "logging_level": "critical",
            "workflow_park_after_seconds": 0.0,
            "cached_status_time": 0.0,
        }
    )
    yield app
    Pynenc.discard(app.app_id)


@pytest.fixture
def basket(app: Pynenc, request: pytest.FixtureRequest) -> Task[..., Any]:
    body = bodies.async_basket if "Async" in app.conf.runner_cls else bodies.basket
    return app.workflow(body)


# --- updates ---------------------------------------------------------------------------


def test_an_update_is_answered(app: Pynenc, basket: Task[..., Any]) -> None:
    with running(app):
        call = basket()
        assert app.update_workflow(call.invocation_id, "add", {"item": "tea", "count": 2}) == {"tea": 2}
        assert app.update_workflow(call.invocation_id, "add", {"item": "tea", "count": 1}) == {"tea": 3}
        app.update_workflow(call.invocation_id, "add", {"item": "end", "count": 1})
        assert call.wait(60) == {"tea": 3}


def test_an_update_that_is_not_valid_is_refused(app: Pynenc, basket: Task[..., Any]) -> None:
    with running(app):
        call = basket()
        with pytest.raises(UpdateRefusedError, match="a count of 0 is not positive"):
            app.update_workflow(call.invocation_id, "add", {"item": "tea", "count": 0})
        with pytest.raises(UpdateRefusedError, match="no gin today"):
            app.update_workflow(call.invocation_id, "add", {"item": "gin", "count": 1})
        assert app.update_workflow(call.invocation_id, "add", {"item": "tea", "count": 1}) == {"tea": 1}
        call.cancel()


def test_the_same_update_is_answered_once(app: Pynenc, basket: Task[..., Any]) -> None:
    tea = {"item": "tea", "count": 1}
    with running(app):
        call = basket()
        answers = [app.update_workflow(call.invocation_id, "add", tea, "u1") for _ in range(3)]
        assert answers == [{"tea": 1}] * 3
        app.update_workflow(call.invocation_id, "add", {"item": "end", "count": 1})
        assert call.wait(60) == {"tea": 1}
        assert app.update_workflow(call.invocation_id, "add", tea, "u1") == {"tea": 1}
        with pytest.raises(WorkflowUsageError, match="has ended as success"):
            app.update_workflow(call.invocation_id, "add", tea, "u2")


def test_an_update_that_is_not_answered_in_time_is_kept(app: Pynenc, basket: Task[..., Any]) -> None:
    call = basket()
    tea = {"item": "tea", "count": 1}
    with pytest.raises(TimeoutError, match="update_id='u1' returns its answer"):
        app.update_workflow(call.invocation_id, "add", tea, "u1", timeout_s=0.01)
    with running(app):
        assert app.update_workflow(call.invocation_id, "add", tea, "u1") == {"tea": 1}
        call.cancel()


def test_an_end_without_an_answer_is_told(app: Pynenc, basket: Task[..., Any]) -> None:
    with running(app):
        call = basket()
        errors: list[BaseException] = []

        def ask() -> None:
            try:
                app.update_workflow(call.invocation_id, "nobody asks", {})
            except BaseException as error:  # noqa: BLE001 - looked at below
                errors.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        while not app.state_backend.count_events(call.invocation_id):
            pass
        call.cancel()
        asking.join()
    assert isinstance(errors[0], WorkflowUsageError)
    assert "has ended as cancelled without an answer" in str(errors[0])


def test_updates_of_coroutines(app: Pynenc, basket: Task[..., Any]) -> None:
    async def main() -> Any:
        call = await basket.acall()
        return await app.aupdate_workflow(call.invocation_id, "add", {"item": "tea", "count": 2})

    with running(app):
        assert asyncio.run(main()) == {"tea": 2}


@pytest.mark.parametrize("payload", [float("nan"), object(), {1: 2, (3,): 4}, "\ud800"])
def test_a_payload_that_cannot_be_sent_is_refused(app: Pynenc, basket: Task[..., Any], payload: Any) -> None:
    call = basket()
    with pytest.raises(SerializationError):
        app.update_workflow(call.invocation_id, "add", payload, timeout_s=0.01)
    assert app.state_backend.count_events(call.invocation_id) == 0


def test_a_malformed_update_is_refused(app: Pynenc, basket: Task[..., Any]) -> None:
    with running(app):
        call = basket()
        with pytest.raises(UpdateRefusedError, match="KeyError: 'count'"):
            app.update_workflow(call.invocation_id, "add", {})
        assert app.update_workflow(call.invocation_id, "add", {"item": "tea", "count": 1}) == {"tea": 1}
        call.cancel()


def test_an_update_is_not_answered_twice(app: Pynenc) -> None:
    with running(app):
        call = app.workflow(bodies.answers_twice)()
        assert app.update_workflow(call.invocation_id, "add") == 1
        with pytest.raises(WorkflowUsageError, match="has been answered already"):
            call.wait(60)


@pytest.mark.parametrize(
    ("code", "update_id"), [("", None), (5, None), ("add", ""), ("add", "\ud800"), ("add", 5)]
)
def test_wrong_codes_and_ids_are_refused(
    app: Pynenc, basket: Task[..., Any], code: Any, update_id: Any
) -> None:
    call = basket()
    with pytest.raises((ValueError, TypeError, TriggerError)):
        app.update_workflow(call.invocation_id, code, {}, update_id, timeout_s=0.01)
    assert app.state_backend.count_events(call.invocation_id) == 0


def test_the_limit_counts_from_the_first_wait(app: Pynenc) -> None:
    call = app.workflow(bodies.waits_for_a_good_update)()
    with rehearsing(app) as rehearsal:
        for number in range(2):
            rehearsal.advance(40)
            app.send_event(
                call.invocation_id, "pynenc.update.add", {"update_id": f"u{number}", "payload": {"count": 0}}
            )
            rehearsal.run()
        with pytest.raises(EventTimeoutError):
            rehearsal.finish(call, within=timedelta(seconds=25))


# --- queries ---------------------------------------------------------------------------


def test_a_query_is_answered_from_what_is_recorded(app: Pynenc, basket: Task[..., Any]) -> None:
    seen: list[WorkflowView] = []

    @basket.query
    def count_of(view: WorkflowView, item: str = "tea") -> int:
        seen.append(view)
        return int(view.data.get("basket", {}).get(item, 0))

    call = basket()
    assert app.query_workflow(call.invocation_id, "count_of") == 0
    with running(app):
        app.update_workflow(call.invocation_id, "add", {"item": "rum", "count": 4})
        assert app.query_workflow(call.invocation_id, "count_of", item="rum") == 4
        app.update_workflow(call.invocation_id, "add", {"item": "end", "count": 1})
        call.wait(60)
    assert app.query_workflow(call.invocation_id, "count_of", item="rum") == 4
    assert (seen[-1].status, seen[-1].waits_for, seen[-1].data) == ("success", None, {"basket": {"rum": 4}})
    assert seen[-1].steps["opened"] == "opened"
    assert app.view_workflow(call.invocation_id) == seen[-1]


def test_mistakes_with_queries(app: Pynenc, basket: Task[..., Any]) -> None:
    call = basket()
    with pytest.raises(WorkflowUsageError, match="no query 'total'; it has: none"):
        app.query_workflow(call.invocation_id, "total")
    with pytest.raises(InvocationNotFoundError):
        app.query_workflow("nothing", "total")
    with pytest.raises(TaskDefinitionError, match="not a function with a name"):
        basket.query(lambda view: 1)
    with pytest.raises(TaskDefinitionError, match="coroutine function"):
        basket.query(plain_tasks.add_async)
    basket.query(plain_tasks.fail)
    with pytest.raises(TypeError):
        app.query_workflow(call.invocation_id, "fail", wrong=1)
    with pytest.raises(ValueError, match="WorkflowView"):
        app.query_workflow(call.invocation_id, "fail")


def test_names_of_the_framework_are_not_for_users(app: Pynenc) -> None:
    call = app.workflow(bodies.sets_data_of_the_framework)()
    with running(app), pytest.raises(WorkflowUsageError, match=r"begins with 'pynenc\.'"):
        call.wait(60)


# --- names -----------------------------------------------------------------------------


def named(task: Task[..., Any], policy: Any = None, name: str = "order-42") -> Any:
    return task.options(workflow_id=name, if_exists=policy)


def test_a_workflow_is_found_by_its_name(app: Pynenc, basket: Task[..., Any]) -> None:
    with running(app):
        call = named(basket)()
        assert call.invocation_id == "order-42"
        assert app.update_workflow("order-42", "add", {"item": "tea", "count": 1}) == {"tea": 1}
        app.send_event("order-42", "unknown")
        again = named(basket, "return")()
        assert again.invocation_id == "order-42"
        with pytest.raises(WorkflowExistsError, match="'order-42' exists"):
            named(basket, "refuse")()
        app.update_workflow("order-42", "add", {"item": "end", "count": 1})
        assert again.wait(60) == call.wait(60) == {"tea": 1}
        assert named(basket)().wait(60) == {"tea": 1}
    assert app.count() == 1


def test_a_workflow_is_replaced(app: Pynenc, basket: Task[..., Any]) -> None:
    with running(app):
        first = named(basket)()
        app.update_workflow("order-42", "add", {"item": "tea", "count": 1})
        second = named(basket, "replace")()
        assert second.invocation_id.startswith("order-42~")
        with pytest.raises(InvocationCancelledError):
            first.wait(60)
        assert app.update_workflow("order-42", "add", {"item": "rum", "count": 1}) == {"rum": 1}
        assert app.get_invocation("order-42") == second
        assert app.view_workflow("order-42").workflow_id == second.invocation_id
        third = named(basket, "replace")()
        assert app.get_invocation("order-42") == third
        assert app.get_invocation(second.invocation_id) == second
        third.cancel()
        with pytest.raises(InvocationCancelledError):
            third.wait(60)
        fourth = named(basket, "replace")()
        assert app.get_invocation("order-42") == fourth
        fourth.cancel()


def test_the_id_of_a_plain_task_is_not_taken(app: Pynenc, basket: Task[..., Any]) -> None:
    call = app.task(plain_tasks.add).options(invocation_id="order-42", delay=3600)(1)
    for policy in ("return", "replace"):
        with pytest.raises(CallConflictError):
            named(basket, policy)()
    assert call.status == _S.REGISTERED


def test_many_starts_at_once_are_one(app: Pynenc, basket: Task[..., Any]) -> None:
    made: list[Any] = []
    threads = [threading.Thread(target=lambda: made.append(named(basket)())) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each.invocation_id for each in made}) == app.count() == 1


def test_the_arguments_are_those_of_the_one_that_exists(app: Pynenc) -> None:
    task = app.workflow(plain_tasks.add)
    named(task)(1, 2)
    assert named(task)(3, 4).kwargs == {"x": 1, "y": 2}
    other = app.workflow(plain_tasks.echo)
    with pytest.raises(CallConflictError):
        named(other)(1)
    with pytest.raises(WorkflowExistsError):
        named(other, "refuse")(1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"workflow_id": "a b"}, "does not consist of"),
        ({"workflow_id": "a~1"}, "does not consist of"),
        ({"workflow_id": 5}, "does not consist of"),
        ({"workflow_id": "a", "invocation_id": "b"}, "give one of"),
        ({"workflow_id": "a", "if_exists": "ignore"}, "not one of return, refuse, replace"),
        ({"if_exists": "refuse"}, "needs a 'workflow_id'"),
    ],
)
def test_wrong_options_are_refused(app: Pynenc, basket: Task[..., Any], options: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        basket.options(**options)


def test_a_name_is_for_workflows(app: Pynenc) -> None:
    with pytest.raises(ValueError, match="for the tasks of '@app.workflow'"):
        app.task(plain_tasks.add).options(workflow_id="a")
