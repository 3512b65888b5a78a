"""Type checkers know tasks, their options and what calls return."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, get_type_hints

import plain_tasks
import pytest

from pynenc import Pynenc
from pynenc.calls.call_options import CallOptionValues
from pynenc.calls.task_options import NAMING, CommonTaskOptions, DirectTaskOptions, TaskOptions
from pynenc.conf.config_task import ConfigTask

LAST = datetime.max.replace(tzinfo=timezone(timedelta(hours=-14)))
PROGRAMS = Path(__file__).parent / "programs"
ROOT = Path(__file__).parents[3]


def mypy_errors(program: str) -> set[int]:
    """Lines in which mypy finds a mistake."""
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(PROGRAMS / program)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = re.findall(rf"{re.escape(program)}:(\d+): error: (.*)", done.stdout)
    return {int(line) for line, _ in found}


def pyright_errors(program: str) -> set[int]:
    """Lines in which pyright finds a mistake."""
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run(
        [*command, str(PROGRAMS / program)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] == 1
    return {
        each["range"]["start"]["line"] + 1
        for each in report["generalDiagnostics"]
        if each["severity"] == "error"
    }


CHECKERS = pytest.mark.parametrize("errors", [mypy_errors, pyright_errors])


@CHECKERS
@pytest.mark.timeout(300)
@pytest.mark.parametrize("program", ["good.py", "everything.py"])
def test_a_program_without_mistakes_is_accepted(errors: Any, program: str) -> None:
    assert errors(program) == set()


@CHECKERS
@pytest.mark.timeout(300)
def test_every_mistake_is_found_where_it_is(errors: Any) -> None:
    lines = (PROGRAMS / "bad.py").read_text().splitlines()
    marked = {number for number, line in enumerate(lines, 1) if line.endswith("# error")}
    assert len(marked) == 22
    assert errors("bad.py") == marked


# --- the options themselves ------------------------------------------------------------


def test_the_options_of_the_decorators_are_those_of_the_settings() -> None:
    common, settings = get_type_hints(CommonTaskOptions), get_type_hints(ConfigTask)
    assert set(common) == {*ConfigTask.model_fields, *NAMING}
    assert set(get_type_hints(TaskOptions)) - set(common) == {"triggers"}
    assert set(get_type_hints(DirectTaskOptions)) - set(common) == {"parallel_func", "aggregate_func"}
    for name, plain in settings.items():
        hint = common.get(name)
        if plain in (int, float, str, bool):
            assert hint == plain | None, name


def test_the_options_of_a_call_are_shown_and_documented() -> None:
    names = set(get_type_hints(CallOptionValues))
    named = {"idempotency_key", "idempotency_ttl", "invocation_id", "workflow_id", "if_exists"}
    assert names == {"delay", "eta", "headers", "queue", "priority", "tags", "timeout", *named}
    assert all(f"{name}: " in (CallOptionValues.__doc__ or "") for name in names)


def test_a_signature_shows_the_options() -> None:
    import inspect

    app = Pynenc({"app_id": "signatures"})
    shown = inspect.signature(app.task).parameters
    assert next(iter(shown)) == "func"
    assert {"max_retries", "triggers", "retry_for"} <= set(shown)
    assert "triggers" not in inspect.signature(app.direct_task).parameters
    assert "parallel_func" in inspect.signature(app.direct_task).parameters
    assert set(inspect.signature(app.task(plain_tasks.add).options).parameters) == set(
        get_type_hints(CallOptionValues)
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"queue": 7}, "queue=7 is not a string"),
        ({"queue": b"q"}, "queue=b'q' is not a string"),
        ({"queue": ""}, "queue='' is not valid: String should have at least 1 character"),
        ({"queue": "a\0b"}, "it contains a NUL character"),
        ({"queue": "caf\udce9"}, "Input should be a valid string|lone surrogate"),
        ({"queue": "q" * 201}, "at most 200 characters"),
        ({"priority": True}, "it is True or False, not a number"),
        ({"priority": 2**63}, "less than or equal to 9007199254740992"),
        ({"priority": float("nan")}, "it is not a finite number"),
        ({"priority": float("-inf")}, "finite number"),
        ({"priority": "5"}, "priority='5' is not a number"),
        ({"delay": float("nan")}, "it is not a finite number"),
        ({"delay": float("inf")}, "it is not a finite number"),
        ({"delay": -1}, "delay=-1 is not valid: Input should be greater than or equal to 0"),
        ({"delay": True}, "it is True or False, not a number"),
        ({"delay": 1e300}, "less than or equal to 3155760000"),
        ({"delay": "3"}, "delay='3' is not a number"),
        ({"timeout": float("nan")}, "finite number"),
        ({"timeout": float("inf")}, "finite number"),
        ({"timeout": 0}, "greater than 0"),
        ({"timeout": True}, "it is True or False"),
        ({"eta": "tomorrow"}, "eta='tomorrow' is not a datetime"),
        ({"eta": LAST}, "is not a moment that can be stored"),
    ],
)
def test_a_wrong_value_is_refused_at_the_call(options: dict[str, Any], message: str) -> None:
    app = Pynenc({"app_id": "checked"})
    task = app.task(plain_tasks.add)
    with pytest.raises(ValueError, match=message):
        task.options(**options)
    assert app.find_invocations() == []


def test_an_unknown_option_of_a_call_names_the_nearest() -> None:
    task = Pynenc({"app_id": "checked"}).task(plain_tasks.add)
    with pytest.raises(TypeError, match="unknown setting 'dealy'.*did you mean 'delay'"):
        task.options(dealy=5)


def test_a_priority_between_two_numbers_is_kept() -> None:
    app = Pynenc({"app_id": "priorities"})
    task = app.task(plain_tasks.add)
    invocation = task.options(priority=0.5)(1)
    assert app.orchestrator.read_states([invocation.invocation_id])[0].priority == 0.5
    assert [each.invocation_id for each in app.find_invocations()] == [invocation.invocation_id]


def test_the_program_that_uses_everything_can_be_imported(tmp_path: Path) -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); from everything import app; print(len(app.tasks))"
    command = [sys.executable, "-c", code, str(PROGRAMS)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("7\n", "")
