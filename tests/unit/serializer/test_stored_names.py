"""What was stored before classes moved is read, and the next move is noticed."""

from __future__ import annotations

import base64
import json
import pickletools
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import plain_tasks
import pytest

from pynenc import Pynenc, Task
from pynenc.calls.call_options import CallOptions
from pynenc.calls.interfaces import InvocationGroup
from pynenc.client.submitting import DerivedIdentity, submit_calls
from pynenc.identifiers.task_id import TaskId
from pynenc.invocation.arguments import Arguments
from pynenc.invocation.state import HistoryEntry
from pynenc.invocation.status import InvocationStatus
from pynenc.invocation.workflow_identity import WorkflowIdentity
from pynenc.serializer import stored_names
from pynenc.trigger import conditions, on_status

TEXTS: dict[str, dict[str, str]] = json.loads((Path(__file__).parent / "stored_texts.json").read_text())
SERIALIZERS = {"json_pickle": "JsonPickleSerializer", "pickle": "PickleSerializer"}
ID = "018f0000-0000-7000-8000-000000000001"
NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture(params=SERIALIZERS)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def app(form: str) -> Pynenc:
    app = Pynenc({"app_id": "stored-names", "serializer_cls": SERIALIZERS[form]})
    task = app.task(plain_tasks.add)
    submit_calls(task, [{"x": 1}], CallOptions.of(task.conf), identities=[DerivedIdentity(ID)])
    return app


def values_of(app: Pynenc) -> dict[str, Any]:
    """What the texts stand for."""
    task = app.tasks[TaskId("plain_tasks", "add")]
    event = conditions.EventContext("e1", "code", {"a": 1}, NOW)
    return {
        "invocation": app.get_invocation(ID),
        "arguments": Arguments({"x": 1}),
        "workflow_identity": WorkflowIdentity(ID, "plain_tasks.add", None),
        "task": task,
        "app": app,
        "status": InvocationStatus.SUCCESS,
        "task_id": TaskId("plain_tasks", "add"),
        "composite_logic": conditions.CompositeLogic.AND,
        "cron_condition": conditions.CronCondition("0 0 * * *"),
        "event_condition": conditions.EventCondition("code"),
        "status_condition": on_status("plain_tasks.add").build(task.task_id).conditions[0],
        "cron_context": conditions.CronContext(NOW, "0 0 * * *"),
        "event_context": event,
        "status_context": conditions.StatusContext(
            ID, "plain_tasks.add", InvocationStatus.SUCCESS, {"x": 1}, NOW
        ),
        "result_context": conditions.ResultContext(ID, "plain_tasks.add", {"x": 1}, 11),
        "exception_context": conditions.ExceptionContext(ID, "plain_tasks.add", {"x": 1}, "ValueError", "no"),
        "trigger_context": conditions.TriggerContext({"event": event}, ()),
        "history_entry": HistoryEntry(InvocationStatus.SUCCESS, NOW, "r1", 2),
    }


@pytest.mark.parametrize("name", sorted(set(TEXTS) - {"call", "options", "group", "record"}))
def test_a_text_from_before_the_move_is_read(name: str, form: str, app: Pynenc) -> None:
    value, expected = app.serializer.deserialize(TEXTS[name][form]), values_of(app)[name]
    assert (type(value), value) == (type(expected), expected)


def test_calls_options_and_records_from_before_the_move_are_read(form: str, app: Pynenc) -> None:
    read = {name: app.serializer.deserialize(TEXTS[name][form]) for name in ("call", "options", "record")}
    task = app.tasks[TaskId("plain_tasks", "add")]
    assert (read["call"].task, read["call"].arguments) == (task, Arguments({"x": 1}))
    assert (read["options"].task, read["options"].call_options.queue) == (task, "fast")
    assert (read["record"].invocation_id, read["record"].status) == (ID, InvocationStatus.REGISTERED)


def test_a_group_from_before_the_move_is_read(
    form: str, app: Pynenc, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = app.get_invocation(ID)
    monkeypatch.setattr(app.invocation_finder, "get_invocation", lambda invocation_id: handle)
    group = app.serializer.deserialize(TEXTS["group"][form])
    assert isinstance(group, InvocationGroup)
    assert (len(group), group.task) == (2, app.tasks[TaskId("plain_tasks", "add")])


def names_in(text: str) -> Iterator[str]:
    """Every class or function of the package that a text names, in either form."""
    if text.startswith(("{", "[", '"')):
        yield from (
            name.replace(":", ".") for name in re.findall(r'"class": "(pynenc\.[\w.]+:[\w.]+)"', text)
        )
        pickled = json.loads(text).get("py/pickle")
        if pickled is None:
            return
        text = pickled
    strings: list[str] = []
    for operation, argument, _ in pickletools.genops(base64.b64decode(text)):
        if operation.name == "STACK_GLOBAL":
            yield ".".join(strings[-2:])
        elif isinstance(argument, str):
            strings.append(argument)


def test_a_name_that_is_stored_is_pinned(form: str, app: Pynenc) -> None:
    task: Task[..., Any] = app.tasks[TaskId("plain_tasks", "add")]
    values = values_of(app)
    values |= {"call": values["invocation"].call, "options": task.options(queue="fast")}
    values |= {"group": task.parallelize([(1,)]), "state": values["invocation"]._current_state()}
    named = {
        name
        for value in values.values()
        for name in names_in(app.serializer.serialize(value))
        if name.startswith("pynenc.")
    }
    assert len(named) > 15
    assert {name: stored_names.STORED_NAMES.get(name) for name in named} == {name: name for name in named}


def test_every_name_in_the_table_leads_somewhere() -> None:
    for name, present in stored_names.STORED_NAMES.items():
        assert stored_names.find_stored(name) is not None
        assert stored_names.STORED_NAMES[present] == present
