"""Definitions that are stored and come back: functions, and what a deployment changes."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import plain_tasks
import pytest

from pynenc import Pynenc
from pynenc.exceptions import TriggerFunctionError
from pynenc.testing.evaluating import Evaluating, fired
from pynenc.trigger import TriggerBuilder, on_cron, on_event, on_result
from pynenc.trigger.conditions.event import EventCondition
from pynenc.trigger.conditions.result import ResultCondition
from pynenc.trigger.definition import TriggerDefinition
from pynenc.trigger.records import RunState


def is_large(payload: dict[str, int]) -> bool:
    return payload["value"] > 10


def doubled(context: object) -> dict[str, int]:
    return {"value": 2 * context.payload["value"]}  # type: ignore[attr-defined]


@pytest.fixture
def app() -> Iterator[Pynenc]:
    app = Pynenc({"app_id": "definitions", "logging_level": "critical"})
    yield app
    Pynenc.discard("definitions")


def test_a_definition_comes_back_with_functions_that_are_imported(app: Pynenc) -> None:
    builder = TriggerBuilder().on_event("code", is_large).with_args_from_event(doubled).with_rate_cap(3)
    definition = builder.build("plain_tasks.echo")
    restored = TriggerDefinition.restored(definition.stored())
    assert restored.stored() == definition.stored()
    (condition,) = restored.conditions
    assert isinstance(condition, EventCondition)
    assert callable(condition.payload_filter)
    assert [condition.payload_filter({"value": value}) for value in (1, 11)] == [False, True]


def test_a_stored_trigger_works_in_a_process_that_does_not_define_it(app: Pynenc) -> None:
    echo = app.task(plain_tasks.echo)
    definition = on_event("code", is_large).with_args_from_event(doubled).build(echo.task_id)
    app.trigger.save_definitions([definition.stored()])
    for value in (1, 11):
        app.trigger.emit_event("code", {"value": value})
    Evaluating(app).work()
    (run,) = fired(app, echo)
    assert app.get_invocation(run.invocation_id).arguments.kwargs == {"value": 22}


def test_a_lambda_is_refused_where_the_trigger_is_not_defined(app: Pynenc) -> None:
    echo = app.task(plain_tasks.echo)
    definition = on_event("code").with_arguments(lambda ctx: {"value": 1}).build(echo.task_id)
    app.trigger.save_definitions([definition.stored()])
    app.trigger.emit_event("code")
    Evaluating(app).work()
    (run,) = app.trigger.find_runs(state=RunState.FAILED)
    assert "is a lambda or a nested function" in (run.reason or "")
    assert "Make it a function of a module" in (run.reason or "")


def test_a_function_that_is_gone_is_named(app: Pynenc) -> None:
    stored = on_result("plain_tasks.add", is_large).build("plain_tasks.echo").stored()
    odd = type(stored)(
        *[
            getattr(stored, name) if name != "conditions" else stored.conditions.replace("is_large", "gone")
            for name in stored.__struct_fields__
        ]
    )
    (condition,) = TriggerDefinition.restored(odd).conditions
    assert isinstance(condition, ResultCondition)
    with pytest.raises(TriggerFunctionError, match="'test_definitions.gone' cannot be imported"):
        condition.filter_result(1)


def test_a_filter_that_fails_is_told(app: Pynenc) -> None:
    echo = app.task(triggers=on_event("code", is_large))(plain_tasks.echo)
    app.register_deferred_triggers()
    app.trigger.emit_event("code", {"other": 1})
    Evaluating(app).work()
    (run,) = app.trigger.find_runs()
    assert (run.task_id, run.state) == (echo.task_id.key, RunState.FAILED)
    assert "its filter failed: KeyError: 'value'" in (run.reason or "")


# --- deployments -----------------------------------------------------------------------

BEFORE = """
from pynenc import Pynenc
from pynenc.trigger import on_cron, on_event

app = Pynenc({"app_id": "deployed"})

@app.task(triggers=[on_event("kept"), on_event("changed", {"n": 1})])
def task():
    pass

@app.task(triggers=on_cron("* * * * *"))
def removed():
    pass
"""
AFTER = """
from pynenc import Pynenc
from pynenc.trigger import on_event

app = Pynenc({"app_id": "deployed"})

@app.task(triggers=[on_event("kept"), on_event("changed", {"n": 2})])
def task():
    pass
"""


def test_a_deployment_changes_and_removes_triggers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNENC__BACKEND", "sqlite")
    monkeypatch.setenv("PYNENC__SQLITE_DB_PATH", str(tmp_path / "deployed.db"))
    monkeypatch.syspath_prepend(str(tmp_path))
    ids: list[dict[str, str]] = []
    for source in (BEFORE, AFTER, AFTER):
        (tmp_path / "deployed_tasks.py").write_text(source)
        importlib.invalidate_caches()
        sys.modules.pop("deployed_tasks", None)
        app = importlib.import_module("deployed_tasks").app
        app.register_deferred_triggers()
        found = app.trigger.find_definitions()
        ids.append({each.conditions: each.trigger_id for each in found})
        Pynenc.discard("deployed")
    sys.modules.pop("deployed_tasks", None)
    before, after, again = ids
    assert len(before) == 3
    assert len(after) == 2
    assert after == again
    assert len(before.keys() & after.keys()) == 1
    kept = (before.keys() & after.keys()).pop()
    assert before[kept] == after[kept]


def test_a_trigger_of_another_deployment_stays(app: Pynenc) -> None:
    other = on_cron("0 0 * * *").build("another_module.task").stored()
    app.trigger.save_definitions([other])
    app.task(plain_tasks.echo)
    app.register_deferred_triggers()
    assert app.trigger.find_definitions() == [other]
