"""Calls with an idempotency key or an id of their own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import plain_tasks
import pytest

from pynenc import Pynenc
from pynenc.exceptions import CallConflictError
from pynenc.testing.app_fixtures import running
from pynenc.testing.faulty_storage import SimulatedCrash, put_faulty
from pynenc.testing.inline_runner import InlineRunner


@pytest.fixture(params=["mem", "sqlite"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pynenc]:
    app = Pynenc(
        {
            "app_id": f"named-{request.param}",
            "backend": request.param,
            "sqlite_db_path": str(tmp_path / "pynenc.db"),
            "runner_cls": "ThreadRunner",
            "logging_level": "critical",
        }
    )
    yield app
    Pynenc.discard(app.app_id)


@pytest.mark.parametrize(
    "name", [{"idempotency_key": "order/42 \x00 é\U0001f600"}, {"invocation_id": "order-42"}]
)
def test_a_second_call_is_the_first_whatever_became_of_it(app: Pynenc, name: dict[str, str]) -> None:
    add = app.task(plain_tasks.add)
    first = add.options(**name)(1, 2)  # type: ignore[typeddict-item]
    assert add.options(**name)(1, y=2).invocation_id == first.invocation_id  # type: ignore[typeddict-item]
    with running(app):
        assert first.result == 3
        again = add.options(**name)(1, 2)  # type: ignore[typeddict-item]
        assert (again.invocation_id, again.result) == (first.invocation_id, 3)
    assert len(app.find_invocations(add)) == 1
    assert name.get("invocation_id", first.invocation_id) == first.invocation_id
    assert app.get_invocation(first.invocation_id).result == 3


def test_other_arguments_and_other_tasks_are_refused_and_both_are_shown(app: Pynenc) -> None:
    add, echo = app.task(plain_tasks.add), app.task(plain_tasks.echo)
    add.options(invocation_id="one")(1, 2)
    with pytest.raises(CallConflictError) as caught:
        add.options(invocation_id="one")(1, 3)
    assert (caught.value.earlier, caught.value.refused) == (
        "plain_tasks.add(x=1, y=2)",
        "plain_tasks.add(x=1, y=3)",
    )
    with pytest.raises(CallConflictError, match="plain_tasks.echo"):
        echo.options(invocation_id="one")(1)
    assert len(app.find_invocations()) == 1


def test_a_key_belongs_to_its_task(app: Pynenc) -> None:
    add, echo = app.task(plain_tasks.add), app.task(plain_tasks.echo)
    first = add.options(idempotency_key="k")(1)
    assert echo.options(idempotency_key="k")(1).invocation_id != first.invocation_id
    assert add.options(idempotency_key="K")(1).invocation_id != first.invocation_id


def test_a_named_call_is_not_compared_with_others(app: Pynenc) -> None:
    add = app.task(registration_concurrency="arguments", call_result_cache=True)(plain_tasks.add)
    plain = add(1, 2)
    named = add.options(invocation_id="own")(1, 2)
    assert (named.invocation_id, add(1, 2).invocation_id) == ("own", plain.invocation_id)


def test_many_threads_make_one_invocation(app: Pynenc) -> None:
    add = app.task(plain_tasks.add)
    ids: list[str] = []
    threads = [
        threading.Thread(target=lambda: ids.append(add.options(idempotency_key="k")(1, 2).invocation_id))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 8
    assert len(set(ids)) == 1
    assert len(app.find_invocations(add)) == 1


@pytest.mark.parametrize("ttl", [None, 60])
def test_a_crash_at_any_operation_leaves_one_invocation_that_runs_once(
    app: Pynenc, ttl: float | None
) -> None:
    plan = put_faulty(app)
    echo = app.task(plain_tasks.echo)
    at = 0
    while True:
        app.purge()
        plan.arm(at)
        try:
            echo.options(idempotency_key="k", idempotency_ttl=ttl)(at)
        except SimulatedCrash:
            plan.arm(None)
        else:
            break
        call = echo.options(idempotency_key="k", idempotency_ttl=ttl)(at)
        InlineRunner(app).run_due()
        assert call.result == at
        assert len(app.find_invocations(echo)) == 1
        assert InlineRunner(app).run_due() == 0
        at += 1
    assert at > 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"idempotency_key": ""}, "not empty"),
        ({"idempotency_key": 3}, "idempotency_key=3"),
        ({"idempotency_key": "\ud800"}, "can be stored"),
        ({"invocation_id": "a/b"}, "letters, digits"),
        ({"invocation_id": "x" * 201}, "letters, digits"),
        ({"invocation_id": ""}, "letters, digits"),
        ({"invocation_id": "a\n"}, "letters, digits"),
        ({"invocation_id": "a", "idempotency_key": "b"}, "give one of"),
    ],
)
def test_names_that_cannot_be_kept_are_refused(app: Pynenc, options: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        app.task(plain_tasks.add).options(**options)
    with pytest.raises(ValueError, match="for one call"):
        app.task(plain_tasks.add).options(idempotency_key="k").parallelize([(1,)])


def test_a_key_for_a_time_stands_for_a_new_call_after_it(app: Pynenc) -> None:
    add = app.task(plain_tasks.add, registration_concurrency="TASK", call_result_cache=True)
    day, moment = timedelta(days=1), 1e-6
    first = add.options(idempotency_key="k", idempotency_ttl=day)(1, 2)
    assert add.options(idempotency_key="k", idempotency_ttl=day)(1, 2).invocation_id == first.invocation_id
    with pytest.raises(CallConflictError, match="x=5"):
        add.options(idempotency_key="k", idempotency_ttl=day)(5, 2)
    second = add.options(idempotency_key="k", idempotency_ttl=moment)(5, 2)
    assert second.invocation_id != first.invocation_id
    assert add.options(idempotency_key="k", idempotency_ttl=day)(5, 2).invocation_id == second.invocation_id
    assert (
        add.options(idempotency_key="other", idempotency_ttl=day)(1, 2).invocation_id != first.invocation_id
    )
    with running(app):
        assert (first.result, second.result) == (3, 7)


def test_many_at_once_with_a_key_for_a_time_make_one_call(app: Pynenc) -> None:
    add, found = app.task(plain_tasks.add), []

    def call() -> None:
        found.append(add.options(idempotency_key="k", idempotency_ttl=60)(1, 2).invocation_id)

    for _ in range(2):  # the first time under the derived id, then under a new one
        threads = [threading.Thread(target=call) for _ in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert len(set(found)) == 1
        found.clear()
        expired = add.options(idempotency_key="k", idempotency_ttl=1e-6)(1, 2)
        assert len(app.find_invocations(add)) <= 3
    assert add.options(idempotency_key="k", idempotency_ttl=60)(1, 2).invocation_id == expired.invocation_id


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), True, "60", timedelta(0)])
def test_a_time_for_a_key_is_checked(app: Pynenc, value: Any) -> None:
    with pytest.raises(ValueError, match="idempotency_ttl"):
        app.task(plain_tasks.add).options(idempotency_key="k", idempotency_ttl=value)
    with pytest.raises(ValueError, match="needs an 'idempotency_key'"):
        app.task(plain_tasks.add).options(idempotency_ttl=60)
