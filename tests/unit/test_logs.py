"""Logs: context, forms, and arguments that stay private."""

from __future__ import annotations

import json
import logging
import sys
import threading
import warnings
from typing import Any

import plain_tasks
import pytest

from pynenc import Pynenc
from pynenc.conf.config_pynenc import ConfigPynenc
from pynenc.context import RunnerContext, current_invocation_id, current_runner
from pynenc.logs import InvocationFilter, log_everything, shown_arguments

pytestmark = pytest.mark.bare_root


def logged(capsys: pytest.CaptureFixture[str], **settings: Any) -> str:
    app = Pynenc({"app_id": "logs", "log_stream": "stdout", **settings})
    runner = current_runner.set(RunnerContext("ThreadRunner", "runner-0123456789"))
    invocation = current_invocation_id.set("invocation-0123456789")
    try:
        app.logger.info("hello")
        app.logger.debug("not shown")
    finally:
        current_runner.reset(runner)
        current_invocation_id.reset(invocation)
    return capsys.readouterr().out


def test_text_names_app_runner_and_invocation(capsys: pytest.CaptureFixture[str]) -> None:
    line = logged(capsys)
    assert line.endswith("[logs ThreadRunner:23456789 invocation:23456789] hello\n")
    assert "\033[" not in line


def test_ids_can_be_whole_and_levels_coloured(capsys: pytest.CaptureFixture[str]) -> None:
    line = logged(capsys, compact_log_context=False, log_use_colors=True)
    assert "runner-0123456789 invocation:invocation-0123456789" in line
    assert "\033[32mINFO" in line


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = logged(capsys, log_format="json").splitlines()
    entry = json.loads(line)
    assert entry["message"] == "hello"
    assert (entry["app_id"], entry["runner_id"]) == ("logs", "runner-0123456789")
    assert entry["invocation_id"] == "invocation-0123456789"


def test_an_exception_stays_on_its_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    app = Pynenc({"app_id": "logs", "log_stream": "stdout", "log_format": "json"})
    try:
        raise ValueError("why")
    except ValueError:
        app.logger.exception("failed")
    (line,) = capsys.readouterr().out.splitlines()
    told = json.loads(line)["exception"]
    assert (told["type"], told["message"]) == ("ValueError", "why")
    assert told["stack"].endswith("ValueError: why")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"argument_print_mode": "full"}, "secret='hunter2hunter2', n=1"),
        ({"argument_print_mode": "keys"}, "secret, n"),
        ({"argument_print_mode": "hidden"}, "<hidden>"),
        ({"print_arguments": False}, "<hidden>"),
        ({"truncate_arguments_length": 5}, "secret='hunt..., n=1"),
    ],
)
def test_arguments_appear_as_the_settings_say(settings: dict[str, Any], expected: str) -> None:
    conf = ConfigPynenc(**settings)
    assert shown_arguments(conf, {"secret": "hunter2hunter2", "n": 1}) == expected


def test_a_call_shows_itself() -> None:
    app = Pynenc({"app_id": "logs", "dev_mode_force_sync_tasks": True})
    assert str(app.task(plain_tasks.add)(1, 2).call) == "plain_tasks.add(x=1, y=2)"


def test_what_serves_all_apps_logs_in_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    Pynenc({"app_id": "logs", "log_stream": "stdout", "logging_level": "warning"})
    logging.getLogger("pynenc.storage").warning("the server is away")
    logging.getLogger("pynenc.storage").info("not shown")
    out = capsys.readouterr().out
    assert out.endswith("[logs] the server is away\n")
    assert "WARNING" in out


class Leaving:
    """An object that ends whoever wants to see it."""

    def __str__(self) -> str:
        raise SystemExit(3)

    __repr__ = __str__


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize(
    ("message", "arguments", "expected"),
    [
        ("%d and %s", ("text",), "'%d and %s' [its arguments cannot be shown: TypeError"),
        ("%s", (Leaving(),), "[its arguments cannot be shown: SystemExit: 3]"),
        (Leaving(), (), "whose repr raises SystemExit"),
        ("caf\udce9", (), "caf"),
    ],
    ids=["wrong", "exits", "exits itself", "surrogate"],
)
def test_a_log_call_never_fails_its_caller(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    log_format: str,
    message: Any,
    arguments: Any,
    expected: str,
) -> None:
    app = Pynenc({"app_id": "logs", "log_stream": "stdout", "log_format": log_format})
    monkeypatch.setattr(app.logger, "propagate", False)  # pytest's own handler does not take it
    app.logger.warning(message, *arguments)
    app.logger.warning("the next")
    first, second = capsys.readouterr().out.splitlines()
    assert expected in first
    assert "the next" in second


def test_a_traceback_of_an_odd_exception_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    app = Pynenc({"app_id": "logs", "log_stream": "stdout"})
    try:
        raise ValueError(Leaving())
    except ValueError:
        app.logger.exception("it failed")
    assert "it failed" in capsys.readouterr().out


def test_what_is_logged_cannot_drive_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    app = Pynenc({"app_id": "logs", "log_stream": "stdout"})
    app.logger.warning("a task said %s", "\x1b[2J\r\x07\u202eexe")
    line = capsys.readouterr().out
    assert line.endswith("a task said \\x1b[2J\\x0d\\x07\\u202eexe\n")


def test_extra_and_stacks_are_on_the_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    app = Pynenc({"app_id": "logs", "log_stream": "stdout", "log_format": "json"})
    cycle: list[Any] = []
    cycle.append(cycle)
    extra = {"order": 5, "level": "mine", "cycle": cycle, "keys": {(1, 2): 3}, "nan": float("nan")}
    app.logger.warning("x", extra=extra, stack_info=True)
    entry = json.loads(capsys.readouterr().out)
    assert (entry["order"], entry["level"], entry["level_"], entry["nan"]) == (
        5,
        "warning",
        "mine",
        "nan",
    )
    assert "test_extra_and_stacks" in entry["stack"]
    assert "(1, 2)" in entry["keys"]


@pytest.mark.filterwarnings("default")
def test_a_runner_process_shows_what_all_loggers_log(capsys: pytest.CaptureFixture[str]) -> None:
    app = Pynenc({"app_id": "logs", "log_stream": "stdout", "log_format": "json"})
    log_everything(app.conf)
    log_everything(app.conf)
    app.logger.info("ours")
    for name in ("shop.jobs", "pynenc.mine", "pynenc_shop"):
        logging.getLogger(name).info(name)
    warnings.warn("old way", DeprecationWarning, stacklevel=1)
    thread = threading.Thread(target=lambda: 1 / 0, name="lost")
    thread.start()
    thread.join()
    sys.excepthook(KeyError, KeyError("k"), None)
    entries = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    told = [entry["message"] for entry in entries]
    assert told[:4] == ["ours", "shop.jobs", "pynenc.mine", "pynenc_shop"]
    assert "old way" in told[4]
    assert told[5:] == ["thread 'lost' ends", "the process ends"]
    assert [entry["exception"]["type"] for entry in entries[5:]] == ["ZeroDivisionError", "KeyError"]


def test_a_handler_of_the_root_logger_shows_each_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    app = Pynenc({"app_id": "logs", "log_stream": "stdout"})
    theirs = logging.StreamHandler(sys.stdout)
    theirs.setFormatter(logging.Formatter("%(levelname)s %(app_id)s %(invocation_id)s %(message)s"))
    theirs.addFilter(InvocationFilter())
    root = logging.getLogger()
    root.addHandler(theirs)
    invocation = current_invocation_id.set("i1")
    app.logger.warning("once")
    logging.getLogger("shop").warning("mine")
    app.logger.propagate = False
    app.logger.warning("not handed on")
    app.logger.propagate = True
    root.removeHandler(theirs)
    app.logger.warning("ours again")
    current_invocation_id.reset(invocation)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["WARNING logs i1 once", "WARNING None i1 mine"]
    assert [line.rpartition("] ")[2] for line in lines[2:]] == ["not handed on", "ours again"]


def test_a_filter_keeps_what_a_record_has(capsys: pytest.CaptureFixture[str]) -> None:
    app = Pynenc({"app_id": "logs", "log_stream": "stdout", "log_format": "json"})
    app.logger.warning("x", extra={"invocation_id": "another", "attempt": 2, "big": "y" * 10_000})
    entry = json.loads(capsys.readouterr().out)
    assert (entry["invocation_id"], entry["attempt"], entry["app_id"]) == ("another", 2, "logs")
    assert len(entry["big"]) < 9000
