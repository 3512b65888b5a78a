"""Logs of whole processes: each line once, whoever sets logging up and when, and JSON to the last line."""

# ruff: noqa: E501 - the table

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_APP = """
import logging, logging.config, sys
from pynenc import Pynenc
from pynenc.logs import InvocationFilter

def make(**settings):
    return Pynenc({"app_id": "logs", "log_stream": "stdout", **settings})

def log(app):
    app.logger.warning("ours")
    logging.getLogger("shop").warning("theirs")

PLAIN = {"format": "root %(message)s", "stream": sys.stdout}
DICT = {
    "version": 1,
    "handlers": {"h": {"class": "logging.StreamHandler", "stream": sys.stdout, "formatter": "f"}},
    "formatters": {"f": {"format": "root %(message)s"}},
    "root": {"handlers": ["h"], "level": "INFO"},
}
"""
_OURS = "[logs] ours"

_MATRIX = {
    "nothing": ("log(make())", [_OURS]),
    "before": ("logging.basicConfig(**PLAIN); log(make())", ["root ours", "root theirs"]),
    "after": ("app = make(); logging.basicConfig(**PLAIN); log(app)", ["root ours", "root theirs"]),
    "between": ("app = make(); log(app); logging.basicConfig(**PLAIN); log(app)", [_OURS, "root ours", "root theirs"]),
    "dict": (
        "app = make(); logging.config.dictConfig({**DICT, 'disable_existing_loggers': False}); log(app)",
        ["root ours", "root theirs"],
    ),
    "dict disabling": ("app = make(); logging.config.dictConfig(DICT); log(app)", ["root theirs"]),
    "dict before": ("logging.config.dictConfig(DICT); log(make())", ["root ours", "root theirs"]),
    "filter": (
        "h = logging.StreamHandler(sys.stdout); h.addFilter(InvocationFilter('shop'))\n"
        "h.setFormatter(logging.Formatter('%(app_id)s %(invocation_id)s %(message)s'))\n"
        "logging.getLogger().addHandler(h); log(make())",
        ["logs None ours", "shop None theirs"],
    ),
    "own handler": (
        "app = make(); app.logger.propagate = False; logging.basicConfig(**PLAIN); log(app)",
        [_OURS, "root theirs"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", _MATRIX)
def test_each_line_is_shown_once(name: str, tmp_path: Path) -> None:
    script, wanted = _MATRIX[name]
    done = subprocess.run(
        [sys.executable, "-c", _APP + script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert [line[line.find(_OURS) :] if _OURS in line else line for line in lines] == wanted
    assert done.stderr == ("theirs\n" if name == "nothing" else "theirs\n" if name == "between" else "")


_TASKS = """
import logging, warnings
from pynenc import Pynenc
app = Pynenc({"app_id": "json_logs", "backend": "sqlite", "log_format": "json"})
log = logging.getLogger("shop.jobs")

@app.task(max_retries=1, retry_for=(KeyError,), retry_delay=0.01)
def fail(kind):
    log.info("at work", extra={"order": 5, "message_": "kept", "task_id": "mine"})
    warnings.warn("old way")
    raise {"key": KeyError, "value": ValueError}[kind]("line one\\nline two")
"""
_CLIENT = """
from tasks import fail
for kind in ("key", "value"):
    call = fail(kind)
    print(call.invocation_id)
    try:
        call.result
    except (KeyError, ValueError):
        pass
"""


@pytest.mark.parametrize("runner", ["ThreadRunner", "AsyncRunner", "PersistentProcessRunner"])
def test_a_runner_logs_each_failed_attempt_once_and_json_to_the_last_line(
    runner: str, tmp_path: Path
) -> None:
    (tmp_path / "tasks.py").write_text(_TASKS)
    environment = {**os.environ, "PYNENC__RUNNER_CLS": runner, "PYNENC__NUM_PROCESSES": "1"}
    command = [sys.executable, "-m", "pynenc", "--app", "tasks", "runner", "start"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    ) as started:
        told = subprocess.run(
            [sys.executable, "-c", _CLIENT],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        started.send_signal(signal.SIGTERM)
        assert started.stderr is not None
        lines = [json.loads(line) for line in started.stderr.read().splitlines()]
    twice, once = told.stdout.split()
    start = next(line["message"] for line in lines if line["message"].startswith(f"{runner} "))
    assert "started: app 'json_logs'; process" in start
    assert "queues default" in start
    assert "tasks.fail" in start
    assert "sqlite" in start
    failures = [line for line in lines if " failed (attempt " in line["message"]]
    assert [_told(line) for line in failures] == [
        ("warning", twice, 1, "attempt 1 of 2", "tried again in"),
        ("error", twice, 2, "attempt 2 of 2", ""),
        ("error", once, 1, "attempt 1 of 2", ""),
    ]
    assert all(line["runner_cls"] == runner and line["runner_id"] for line in failures)
    assert "exception" not in failures[0]
    assert failures[2]["exception"]["type"] == "ValueError"
    assert failures[2]["exception"]["message"] == "line one\nline two"
    assert "in fail" in failures[2]["exception"]["stack"]
    own = [line for line in lines if line["message"] == "at work"]
    assert {line["invocation_id"] for line in own} == {twice, once}
    assert all(line["order"] == 5 and line["workflow_id"] == line["invocation_id"] for line in own)
    assert all(line["task_id"] == "mine" and line["message_"] == "kept" for line in own)
    assert any("old way" in line["message"] and line["logger"] == "py.warnings" for line in lines)


def _told(line: dict[str, Any]) -> tuple[str, str, int, str, str]:
    text, follows = line["message"], "tried again in"
    tries = text[text.index("attempt") :].partition(",")[0]
    return line["level"], line["invocation_id"], line["attempt"], tries, follows if follows in text else ""
