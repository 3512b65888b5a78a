"""Defining triggers."""

from __future__ import annotations

from typing import Any

import msgspec
import plain_tasks
import pytest

from pynenc import Pynenc
from pynenc.exceptions import TaskDefinitionError
from pynenc.identifiers.task_id import TaskId
from pynenc.invocation.status import InvocationStatus
from pynenc.trigger import (
    TriggerBuilder,
    on_any_result,
    on_cron,
    on_event,
    on_exception,
    on_failure,
    on_result,
    on_status,
    on_success,
)
from pynenc.trigger.conditions.composite import CompositeLogic, TriggerContext
from pynenc.trigger.conditions.cron import CronCondition
from pynenc.trigger.conditions.event import EventCondition
from pynenc.trigger.conditions.exception import ExceptionCondition
from pynenc.trigger.conditions.result import ResultCondition
from pynenc.trigger.conditions.status import StatusCondition

TASK = TaskId("shop.tasks", "notify")
S = InvocationStatus


def condition(builder: TriggerBuilder) -> Any:
    (only,) = builder.build(TASK).conditions
    return only


def is_large(result: int) -> bool:
    return result > 10


def test_each_start_makes_its_condition() -> None:
    assert condition(on_cron("*/5 * * * *", "Europe/Madrid")) == CronCondition("*/5 * * * *", "Europe/Madrid")
    assert condition(on_event("a", {"x": 1})) == condition(on_event("a", filters={"x": 1}))
    assert condition(on_event("a")) == EventCondition("a", None)
    assert condition(on_status("m.f")) == StatusCondition("m.f", (S.SUCCESS,))
    assert condition(on_success("m.f")) == StatusCondition("m.f", (S.SUCCESS,))
    assert condition(on_failure("m.f")) == StatusCondition("m.f", (S.FAILED,))
    assert condition(on_result("m.f", is_large)) == ResultCondition("m.f", is_large)
    assert condition(on_any_result("m.f")) == ResultCondition("m.f", any_result=True)
    assert condition(on_exception("m.f", (ValueError, "Odd"))) == ExceptionCondition(
        "m.f", ("ValueError", "Odd")
    )
    assert condition(on_exception("m.f", ValueError)) == ExceptionCondition("m.f", ("ValueError",))


def test_a_task_is_named_by_itself_its_id_or_its_name() -> None:
    task = Pynenc({"app_id": "t"}).task(plain_tasks.add)
    assert condition(on_status(task)).task_id == "plain_tasks.add"
    assert condition(on_status(task.task_id)).task_id == "plain_tasks.add"
    assert condition(on_status("plain_tasks.add")).task_id == "plain_tasks.add"
    assert condition(on_status("validate")).task_id == "shop.tasks.validate"


@pytest.mark.parametrize("statuses", ["FAILED", S.FAILED, ["failed"], (S.FAILED,)])
def test_statuses_come_by_name_or_enum(statuses: Any) -> None:
    assert condition(on_status("m.f", statuses)).statuses == (S.FAILED,)


@pytest.mark.parametrize("expression", ["", "* * *", "61 * * * *", "a b c d e", None])
def test_a_wrong_cron_expression_is_refused(expression: Any) -> None:
    with pytest.raises(TaskDefinitionError, match="is not a cron expression: it needs five fields"):
        on_cron(expression)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: on_cron("* * * * *", "Mars/North"), "'Mars/North' is not a time zone"),
        (lambda: on_event(""), "needs a code"),
        (lambda: on_event("a", {}, {}), "not both"),
        (lambda: on_status("m.f", "SUCESS"), "did you mean 'SUCCESS'"),
        (lambda: on_cron("* * * * *").with_logic("xor"), "not one of 'and', 'or'"),
        (lambda: TriggerBuilder().build(TASK), "has no condition"),
        (lambda: TriggerBuilder().add_condition("cron"), "is not a trigger condition"),  # type: ignore[arg-type]
        (lambda: on_result("m.f", {"x": object()}).build(TASK).stored(), "cannot be stored"),
    ],
)
def test_wrong_definitions_are_refused(make: Any, message: str) -> None:
    with pytest.raises(TaskDefinitionError, match=message):
        make()


def test_logic_and_arguments_are_kept() -> None:
    definition = (
        TriggerBuilder()
        .on_event("paid")
        .on_status("validate")
        .with_logic("and")
        .with_args_static({"a": 1})
        .with_arguments({"b": 2})
        .with_args_from_event(is_large)  # type: ignore[arg-type]
        .build("shop.tasks.notify")
    )
    assert definition.logic == CompositeLogic.AND
    assert [(each.source, each.value) for each in definition.providers] == [
        ("static", {"a": 1}),
        ("static", {"b": 2}),
        ("event", is_large),
    ]


def test_functions_are_stored_by_path_and_lambdas_as_local() -> None:
    stored = on_result("m.f", is_large).with_arguments(lambda ctx: {}).build(TASK).stored()
    (first,) = msgspec.json.decode(stored.conditions)
    (provider,) = msgspec.json.decode(stored.arguments)
    assert first["filter_result"]["$callable"]["path"] == f"{__name__}:is_large"
    assert provider["value"]["$callable"]["path"] is None


def test_an_equal_definition_has_the_same_id() -> None:
    assert on_cron("0 0 * * *").build(TASK).stored() == on_cron("0 0 * * *").build(TASK).stored()
    assert on_cron("0 0 * * *").build(TASK).stored() != on_cron("0 1 * * *").build(TASK).stored()


def test_a_composite_reaches_its_parts_by_kind() -> None:
    context = TriggerContext({"event": "e"})  # type: ignore[dict-item]
    assert context["event"] == "e"
    with pytest.raises(KeyError, match="no 'status' here; there are: event"):
        _ = context["status"]


def test_triggers_are_deferred_until_they_are_registered() -> None:
    app = Pynenc({"app_id": "t"})
    task = app.task(triggers=[on_cron("0 0 * * *"), on_event("a")])(plain_tasks.add)
    assert app.trigger.find_definitions(task.task_id.key) == []
    app.register_deferred_triggers()
    assert len(app.trigger.find_definitions(task.task_id.key)) == 2
    app._store_deferred_trigger(task, app.trigger.on_event("b"))
    app.register_deferred_triggers()
    assert len(app.trigger.find_definitions(task.task_id.key)) == 1
    with pytest.raises(TaskDefinitionError, match="names 'cron' as a trigger"):
        app.task(triggers="cron")(plain_tasks.add)  # type: ignore[call-overload]


def test_the_trigger_store_begins_the_same_builders() -> None:
    app = Pynenc()
    pairs = [
        (app.trigger.on_cron("0 0 * * *"), TriggerBuilder().on_cron("0 0 * * *")),
        (app.trigger.on_event("e", {"x": 1}), TriggerBuilder().on_event("e", {"x": 1})),
        (app.trigger.on_status("add"), TriggerBuilder().on_status("add")),
        (app.trigger.on_result("add", 3), TriggerBuilder().on_result("add", 3)),
        (app.trigger.on_any_result("add"), TriggerBuilder().on_any_result("add")),
        (app.trigger.on_success("add"), TriggerBuilder().on_success("add")),
        (app.trigger.on_failure("add"), TriggerBuilder().on_failure("add")),
        (app.trigger.on_exception("add", KeyError), TriggerBuilder().on_exception("add", KeyError)),
    ]
    for fluent, plain in pairs:
        assert fluent.build("m.task") == plain.build("m.task")
