"""Commands about workflows."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pynenc.cli.main import cli
from pynenc.exceptions import InvocationNotFoundError, WorkflowUsageError
from pynenc.testing.app_fixtures import running

TASKS = """
from pynenc import Pynenc

app = Pynenc({"app_id": "cli_workflows", "runner_cls": "ThreadRunner", "workflow_park_after_seconds": 0})

@app.task
def plain():
    pass

@app.workflow
def order(number):
    order.wf.set_data("number", number)
    order.wf.step("reserve", lambda: "reserved")
    return order.wf.wait_event("approved")["by"]
"""


@pytest.fixture
def tasks(write_app: Callable[[str, str], ModuleType]) -> Any:
    return write_app("cli_workflows", TASKS)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["workflows", *arguments])


def answer(*arguments: str) -> Any:
    done = call(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_workflows_are_listed_and_plain_tasks_are_not(tasks: Any) -> None:
    assert "nothing matches (all 0 looked at)" in call("list").output
    tasks.plain()
    first, second = tasks.order(1), tasks.order(2)
    ids = [second.invocation_id, first.invocation_id]
    assert [row["invocation_id"] for row in answer("list")] == ids
    assert [row["invocation_id"] for row in answer("list", "--type", "cli_workflows.order")] == ids
    assert answer("list", "--type", "cli_workflows.plain") == []
    assert answer("list", "--status", "success") == []
    assert ids[0] in call("list").output


def test_a_workflow_is_shown_with_its_record_and_hears_events(tasks: Any) -> None:
    with running(tasks.app):
        order = tasks.order(3)
        while order.waits_for is None:
            time.sleep(0.01)
        shown = answer("show", order.invocation_id)
        assert [(step["kind"], step["name"], step["value"]) for step in shown["steps"]] == [
            ("set_data", "number", "None"),
            ("step", "reserve", "'reserved'"),
            ("wait_event", "approved", "without a limit"),
        ]
        assert (shown["waits_for"], shown["data"], shown["due_at"]) == ("event 'approved'", "number=3", None)
        text = call("show", order.invocation_id).output
        assert "reserve" in text
        assert "event 'approved'" in text
        sent = call("send", order.invocation_id, "approved", "--payload", '{"by": "Ada"}', "--event-id", "e1")
        assert sent.output.strip() == "e1"
        assert order.result == "Ada"
    late = call("send", order.invocation_id, "approved")
    assert isinstance(late.exception, WorkflowUsageError)
    assert "has ended as success, so event 'approved' would reach nobody" in str(late.exception)
    (event,) = answer("show", order.invocation_id)["events"]
    assert (event["code"], json.loads(event["payload"])) == ("approved", {"by": "Ada"})


def test_wrong_input_is_explained(tasks: Any) -> None:
    assert isinstance(call("show", "unknown").exception, InvocationNotFoundError)
    assert isinstance(call("send", "unknown", "code").exception, InvocationNotFoundError)
    order = tasks.order(4)
    assert "must be a JSON object" in call("send", order.invocation_id, "approved", "--payload", "3").output
    assert tasks.app.state_backend.count_events(order.invocation_id) == 0
