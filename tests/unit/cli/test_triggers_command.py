"""Commands about triggers."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pynenc import Pynenc
from pynenc.cli.main import cli
from pynenc.exceptions import PynencError, TriggerNotFoundError
from pynenc.testing.app_fixtures import running
from pynenc.trigger.records import RunState

TASKS = """
from pynenc import Pynenc
from pynenc.trigger import on_cron, on_event

app = Pynenc({"app_id": "cli_triggers", "runner_cls": "ThreadRunner"})

@app.task(triggers=on_event("paid", {"amount": {"$gt": 1}}))
def ship(amount):
    return amount

@app.task(triggers=on_cron("0 6 * * *", timezone="Europe/Madrid"))
def report():
    pass
"""


@pytest.fixture
def tasks(write_app: Callable[[str, str], ModuleType]) -> Any:
    module = write_app("cli_triggers", TASKS)
    module.app.register_deferred_triggers()
    return module


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["triggers", *arguments])


def answer(*arguments: str) -> Any:
    done = call(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def id_of(task: str) -> str:
    (row,) = answer("list", "--task", f"cli_triggers.{task}")
    return str(row["trigger_id"])


def test_triggers_are_listed_with_their_next_tick(tasks: Any) -> None:
    rows = {row["task"]: row for row in answer("list")}
    assert rows["cli_triggers.ship"]["when"] == "event 'paid'"
    assert rows["cli_triggers.ship"]["next"] == []
    assert rows["cli_triggers.report"]["when"] == "cron '0 6 * * *' (Europe/Madrid)"
    assert len(rows["cli_triggers.report"]["next"]) == 1
    text = call("list").output
    assert rows["cli_triggers.ship"]["trigger_id"][:12] in text
    assert rows["cli_triggers.report"]["next"][0] in text


def test_a_trigger_is_shown_with_its_ticks_and_its_runs(tasks: Any) -> None:
    shown = answer("show", id_of("report"), "--next", "3")
    assert [each[11:19] for each in shown["next"]] in (["05:00:00"] * 3, ["04:00:00"] * 3) or len(
        {each[11:16] for each in shown["next"]}
    ) == 2  # a change of the clock lies between
    assert shown["runs"] == []
    assert shown["options"] == {}
    assert "it has not started anything" in call("show", id_of("report")).output


def test_firing_by_hand_starts_the_task_and_says_so(tasks: Any) -> None:
    done = call("fire", id_of("ship")[:10], "--payload", '{"amount": 7}')
    assert done.exit_code == 0, done.output
    invocation_id = done.output.strip()
    with running(tasks.app):
        assert tasks.app.get_invocation(invocation_id).result == 7
    (run,) = answer("show", id_of("ship"))["runs"]
    assert (run["state"], run["cause"], run["invocation_id"]) == ("fired", "fired by hand", invocation_id)
    assert answer("runs") == [run]
    shown = CliRunner().invoke(cli, ["invocations", "show", invocation_id, "--json"]).output
    assert json.loads(shown)["triggered_by"] == f"fired by hand, trigger {id_of('ship')}"
    given = call("fire", id_of("ship"), "--arguments", '{"amount": 8}').output.strip()
    with running(tasks.app):
        assert tasks.app.get_invocation(given).result == 8


def test_firing_tells_what_is_wrong(tasks: Any) -> None:
    missing = call("fire", id_of("ship"))
    assert isinstance(missing.exception, PynencError)
    assert "missing a required argument: 'amount'" in str(missing.exception)
    assert "no JSON" in call("fire", id_of("ship"), "--payload", "{").output
    assert "must be a JSON object" in call("fire", id_of("ship"), "--arguments", "[]").output
    unknown = call("fire", "nothing")
    assert isinstance(unknown.exception, TriggerNotFoundError)
    assert "no trigger has an id that begins with 'nothing'; 2 are stored" in str(unknown.exception)
    assert isinstance(call("show", "").exception, TriggerNotFoundError)


def test_a_paused_trigger_starts_nothing_until_it_is_resumed(tasks: Any) -> None:
    app: Pynenc = tasks.app
    trigger_id = id_of("ship")
    with running(app):
        assert "is paused" in call("pause", trigger_id).output
        assert "was paused already" in call("pause", trigger_id).output
        assert answer("show", trigger_id)["paused"] is True
        while not app.component_provider.catalog.is_paused(trigger_id):
            app.component_provider.catalog.refresh()
        app.trigger.emit_event("paid", {"amount": 2})
        while app.trigger.open_occurrences(1):
            pass
        assert "is resumed" in call("resume", trigger_id).output
        assert "was not paused" in call("resume", trigger_id).output
        while app.component_provider.catalog.is_paused(trigger_id):
            app.component_provider.catalog.refresh()
        app.trigger.emit_event("paid", {"amount": 3})
        while not (runs := app.trigger.find_runs(state=RunState.FIRED)):
            pass
        assert [app.get_invocation(run.invocation_id).result for run in runs] == [3]


def test_a_paused_cron_has_no_next_tick_and_resumes_now(tasks: Any) -> None:
    store = tasks.app.trigger
    trigger_id = id_of("report")
    store.pause(trigger_id)
    assert answer("list", "--task", "cli_triggers.report")[0]["next"] == []
    assert "paused" in call("list").output
    store.resume(trigger_id)
    assert len(answer("list", "--task", "cli_triggers.report")[0]["next"]) == 1


def test_events_are_printed(tasks: Any) -> None:
    event_id = tasks.app.trigger.emit_event("paid", {"amount": 1})
    (row,) = answer("events", "paid")
    assert (row["event_id"], row["payload"]) == (event_id, {"amount": 1})
    assert event_id in call("events", "paid").output
    assert "there are none with the code 'x'" in call("events", "x").output
    assert "fits" not in call("runs").output
