"""Commands about schedules."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pynenc.cli.main import cli
from pynenc.exceptions import PynencError

TASKS = """
from pynenc import Pynenc
from pynenc.trigger import on_cron

app = Pynenc({"app_id": "cli_schedules", "runner_cls": "ThreadRunner"})

@app.task(triggers=on_cron("0 0 1 1 * 0 2020"))
def report(day=1):
    return day
"""


@pytest.fixture
def tasks(write_app: Callable[[str, str], ModuleType]) -> Any:
    return write_app("cli_schedules", TASKS)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def test_schedules_on_the_command_line(tasks: Any) -> None:
    made = call(
        "schedules", "create", "nightly", "cli_schedules.report", "--cron", "0 3 * * *", "--timezone",
        "Europe/Berlin", "--arguments", '{"day": 7}', "--start", "2040-01-01T00:00",
    )  # fmt: skip
    assert made.output == "2040-01-01T03:00:00+01:00\n"
    assert call("schedules", "change", "nightly", "--jitter", "60").exit_code == 0
    assert call("schedules", "pause", "nightly").output == "nightly is paused\n"
    (row,) = json.loads(call("schedules", "list", "--json").stdout)
    assert (row["name"], row["when"], row["paused"]) == ("nightly", "cron '0 3 * * *' (Europe/Berlin)", True)
    assert "paused" in call("schedules", "list").output
    assert call("schedules", "resume", "nightly").output == "nightly is resumed\n"
    assert len(call("schedules", "next", "nightly").output.split()) == 10
    assert len(call("triggers", "next", row["trigger_id"], "--count", "3").output.split()) == 3
    assert call("triggers", "run-now", row["trigger_id"]).exit_code == 0
    (invocation,) = tasks.app.find_invocations(tasks.report)
    assert invocation.arguments == {"day": 7}
    assert call("schedules", "delete", "nightly").exit_code == 0
    assert call("schedules", "list").output == "there are none\n"
    assert isinstance(call("schedules", "pause", "nightly").exception, PynencError)
    assert call("schedules", "create", "x", "cli_schedules.report", "--start", "soon").exit_code == 2


def test_a_trigger_whose_schedule_is_over_says_so(tasks: Any) -> None:
    tasks.app.register_deferred_triggers()
    (row,) = json.loads(call("triggers", "list", "--json").stdout)
    assert row["next"] == ["over"]
    assert call("triggers", "next", row["trigger_id"]).output == ""
    assert "over" in call("triggers", "list").output
