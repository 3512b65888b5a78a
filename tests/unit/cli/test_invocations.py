"""Commands about invocations and queues."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pynenc import Pynenc
from pynenc.cli.main import cli
from pynenc.exceptions import InvocationNotFoundError
from pynenc.invocation.status import InvocationStatus
from pynenc.testing.app_fixtures import running

TASKS = """
from pynenc import Pynenc

app = Pynenc({"app_id": "cli_invocations", "runner_cls": "ThreadRunner"})

@app.task
def divide(x, y):
    return x / y

@app.task(max_retries=5, retry_for=(ZeroDivisionError,), retry_delay=3600)
def patient(x, y):
    return x / y

@app.task
def count(number):
    count.invocation.progress(number, 2 * number, "counting")
"""


@pytest.fixture
def tasks(write_app: Callable[[str, str], ModuleType]) -> Any:
    return write_app("cli_invocations", TASKS)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def answer(*arguments: str) -> Any:
    done = call(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_invocations_are_listed_newest_first(tasks: Any) -> None:
    good, bad = tasks.divide(6, 3), tasks.divide(1, 0)
    with running(tasks.app):
        assert good.result == 2
        with pytest.raises(ZeroDivisionError):
            _ = bad.result
    waiting = tasks.divide(1, 1)
    rows = answer("invocations", "list")
    ids = [bad.invocation_id, good.invocation_id]
    assert [row["invocation_id"] for row in rows] == [waiting.invocation_id, *ids]
    assert [row["status"] for row in rows] == ["registered", "failed", "success"]
    assert [row["invocation_id"] for row in answer("invocations", "list", "--status", "FAILED")] == ids[:1]
    assert answer("invocations", "list", "--task", "elsewhere.task") == []
    assert answer("invocations", "list", "--limit", "1")[0]["invocation_id"] == waiting.invocation_id
    assert "failed" in call("invocations", "list").output
    assert call("invocations", "list", "--status", "done").exit_code == 2


def test_an_invocation_is_shown_with_its_history_and_outcome(tasks: Any) -> None:
    good, bad = tasks.divide(6, 3), tasks.divide(1, 0)
    with running(tasks.app):
        good.wait()
        with pytest.raises(ZeroDivisionError):
            bad.wait()
    shown = answer("invocations", "show", good.invocation_id)
    assert [entry["status"] for entry in shown["history"]] == ["registered", "pending", "running", "success"]
    assert (shown["arguments"], shown["result"]) == ("x=6, y=3", "result=2.0")
    text = call("invocations", "show", bad.invocation_id).output
    assert "ZeroDivisionError: division by zero" in text
    with pytest.raises(InvocationNotFoundError):
        CliRunner().invoke(cli, ["invocations", "show", "no-such-id"], catch_exceptions=False)


def test_a_waiting_invocation_is_cancelled_and_an_ended_one_is_called_again(tasks: Any) -> None:
    waiting = tasks.divide(1, 1)
    done = call("invocations", "cancel", waiting.invocation_id)
    assert (done.exit_code, done.output) == (0, f"{waiting.invocation_id} is cancelled\n")
    ended = tasks.divide(6, 3)
    with running(tasks.app):
        ended.wait()
        refused = call("invocations", "cancel", ended.invocation_id)
        assert (refused.exit_code, "had ended as success" in refused.output) == (1, True)
        again = call("invocations", "retry", ended.invocation_id).output.strip()
        assert again != ended.invocation_id
        assert tasks.app.get_invocation(again).result == 2


def test_the_doctor_tells_which_runners_are_alive(tasks: Any) -> None:
    with running(tasks.app):
        tasks.divide(1, 1).wait()
        findings = {each["subject"]: each["text"] for each in json.loads(call("doctor", "--json").stdout)}
    assert findings["runners"].startswith("1 alive")
    assert "ThreadRunner in process" in findings["runner"]
    assert "last heartbeat" in findings["runner"]


def test_queues_are_counted_and_emptied(tasks: Any) -> None:
    assert answer("queue", "depth") == {}
    tasks.divide(1, 1)
    tasks.divide.options(delay=3600)(1, 1)
    assert answer("queue", "depth") == {"default": {"ready": 1, "waiting": 1}}
    assert "default" in call("queue", "depth").output
    kept = CliRunner().invoke(cli, ["queue", "purge"], input="n\n")
    assert kept.exit_code == 1
    assert answer("queue", "depth") != {}
    assert call("queue", "purge", "--yes").exit_code == 0
    assert answer("queue", "depth") == {}
    Pynenc.discard("cli_invocations")


def test_a_task_is_called_with_plain_json(tasks: Any) -> None:
    named = call("invocations", "call", "cli_invocations.divide", '{"x": 6, "y": 3}').output.strip()
    piped = CliRunner().invoke(cli, ["invocations", "call", "cli_invocations.divide", "-"], input="[8, 2]")
    with running(tasks.app):
        assert tasks.app.get_invocation(named).result == 2
        assert tasks.app.get_invocation(piped.output.strip()).result == 4
    refused = call("invocations", "call", "cli_invocations.divide", '{"x": 6}')
    assert refused.exit_code == 1
    assert isinstance(refused.exception, TypeError)


def test_invocations_are_searched_and_counted(tasks: Any) -> None:
    good, bad = tasks.divide(6, 3), tasks.divide.options(tags={"customer": "42"})(1, 0)
    with running(tasks.app):
        good.wait()
        with pytest.raises(ZeroDivisionError):
            bad.wait()
    for search in (
        ["status:failed", "since:1h"],
        ["--error", "ZeroDivisionError"],
        ["--tag", "customer=42", "task:cli_*"],
        ["--task", "cli_invocations.divide", "--status", "failed", "--queue", "default"],
        ["--since", "1h", "--status", "failed", "--status", "retry"],
        [bad.invocation_id],
        ["-status:success"],
    ):
        rows = answer("invocations", "list", *search)
        assert [row["invocation_id"] for row in rows] == [bad.invocation_id], search
        assert call("invocations", "count", *search).output == "1\n"
    (row,) = rows
    assert (row["error_type"], row["tags"]) == ("ZeroDivisionError", {"customer": "42"})
    assert answer("invocations", "count", "--status", "success") == {
        "count": 1,
        "searched": 0,
        "is_complete": True,
    }
    nothing = call("invocations", "list", "arg:nowhere")
    assert nothing.output == "nothing matches (all 2 looked at)\n"
    for _ in range(300):
        tasks.divide(1, 1)
    far = call("invocations", "list", "arg:nowhere", "--max-searched", "100")
    assert "nothing yet: 220 looked at, by the time at which they were made" in far.output
    assert (
        "or more: 200 were looked at" in call("invocations", "count", "arg:1", "--max-searched", "100").output
    )
    assert len(answer("invocations", "list", "--limit", "99999999")) == 302
    more = call("invocations", "list", "--limit", "5")
    assert "there may be more; looked at 5 so far" in more.stderr
    for wrong in (["stauts:failed"], ["--since", "yesterday"]):
        refused = call("invocations", "list", *wrong)
        assert refused.exit_code == 1
        assert "cannot be understood" in str(refused.exception)
    assert call("invocations", "list", "--arg", 'a"b').exit_code == 2
    assert "No such option '--stauts'" in call("invocations", "list", "--stauts", "failed").output


def test_why_an_invocation_failed_or_waits_is_told(tasks: Any) -> None:
    bad = tasks.divide(1, 0)
    with running(tasks.app), pytest.raises(ZeroDivisionError):
        bad.wait()
    told = call("invocations", "why", bad.invocation_id)
    assert told.output.startswith("It failed with ZeroDivisionError in cli_invocations.py:8 in `divide`:")
    waiting = tasks.divide(1, 1)
    told = call("invocations", "why", waiting.invocation_id)
    assert told.output.splitlines()[-1] == "-> start one with 'pynenc runner start'"
    found = answer("invocations", "why", waiting.invocation_id)
    assert (found["status"], found["findings"][0]["code"]) == ("registered", "no_runner")
    unknown = call("invocations", "why", "no-such-id")
    assert (unknown.exit_code, "Nothing is stored under this id" in unknown.output) == (1, True)
    by_tail = call("invocations", "why", waiting.invocation_id[-8:])
    assert (by_tail.exit_code, by_tail.output.splitlines()[1:]) == (0, told.output.splitlines()[1:])


def test_a_failure_is_shown_with_its_traceback_and_an_owner_with_its_host(tasks: Any) -> None:
    retried, bad = tasks.patient(1, 0), tasks.divide(1, 0)
    with running(tasks.app):
        with pytest.raises(ZeroDivisionError):
            bad.wait()
        while tasks.app.orchestrator.count_states(InvocationStatus.RETRY) == 0:
            tasks.app.orchestrator.subscribe([retried.invocation_id]).wait(0.01)
    for invocation, name in ((bad, "error"), (retried, "last_error")):
        shown = answer("invocations", "show", invocation.invocation_id)
        assert shown[name] == "ZeroDivisionError: division by zero"
        assert f"in {invocation.task.func.__name__}\n" in shown["traceback"]
        assert (
            call("invocations", "show", invocation.invocation_id).output.rstrip().endswith("division by zero")
        )


def test_progress_is_shown(tasks: Any) -> None:
    counting = tasks.count(2)
    assert answer("invocations", "show", counting.invocation_id)["progress"] is None
    with running(tasks.app):
        counting.wait(30)
    shown = answer("invocations", "show", counting.invocation_id)["progress"]
    assert (shown["done"], shown["total"], shown["message"]) == (2, 4, "counting")
    assert "2 of 4 (50 %): counting" in call("invocations", "show", counting.invocation_id).output
