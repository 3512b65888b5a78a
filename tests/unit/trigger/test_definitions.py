"""Definitions that are stored and come back: functions, and what a deployment changes."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import plain_tasks
import pytest

from pynenc import Pynenc
from pynenc.exceptions import TriggerFunctionError
from pynenc.testing.evaluating import Evaluating, fired
from pynenc.trigger import TriggerBuilder, on_cron, on_event
from pynenc.trigger.conditions.event import EventCondition
from pynenc.trigger.definition import TriggerDefinition
from pynenc.trigger.records import RunState


def is_large(payload: dict[str, int]) -> bool:
    return payload["value"] > 10


def doubled(context: object) -> dict[str, int]:
    return {"value": 2 * context.payload["value"]}  # type: ignore[attr-defined]


@pytest.fixture
def app() -> Iterator[Pynenc]:
    app = Pynenc({"app_id": "definitions", "logging_level": "critical", "trigger_retry_seconds": 0})
    yield app
    Pynenc.discard("definitions")


def test_a_definition_comes_back_without_code(app: Pynenc) -> None:
    builder = TriggerBuilder().on_event("code", is_large).with_args_from_event(doubled).with_rate_cap(3)
    definition = builder.build("plain_tasks.echo")
    restored = TriggerDefinition.restored(definition.stored())
    assert restored.stored() == definition.stored()
    (condition,) = restored.conditions
    assert isinstance(condition, EventCondition)
    assert callable(condition.payload_filter)
    with pytest.raises(TriggerFunctionError, match="'test_definitions.is_large' belongs to a trigger that"):
        condition.payload_filter({"value": 1})


@pytest.mark.parametrize("path", ["test_definitions:doubled", "os:system", "subprocess:Popen"])
def test_a_stored_path_is_never_imported_or_called(app: Pynenc, path: str) -> None:
    echo = app.task(plain_tasks.echo)
    stored = on_event("code").with_args_from_event(doubled).build(echo.task_id).stored()
    hostile = msgspec.structs.replace(
        stored, arguments=stored.arguments.replace("test_definitions:doubled", path)
    )
    app.trigger.save_definitions([hostile])
    app.trigger.emit_event("code", {"value": 1})
    Evaluating(app).work()
    assert app.find_invocations(echo) == []
    (run,) = app.trigger.find_runs(state=RunState.FAILED)
    assert "does not define, or defines differently" in (run.reason or "")


def test_a_lambda_is_found_where_the_trigger_is_defined(app: Pynenc) -> None:
    echo = app.task(triggers=on_event("code").with_arguments(lambda ctx: {"value": 1}))(plain_tasks.echo)
    app.register_deferred_triggers()
    app.trigger.emit_event("code")
    Evaluating(app).work()
    (run,) = fired(app, echo)
    assert app.get_invocation(run.invocation_id).arguments.kwargs == {"value": 1}


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
