"""Warnings are kept, within bounds, and found again by the invocation that they are about."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner

from pynenc import Pynenc
from pynenc.cli.main import cli
from pynenc.exceptions import StorageUnavailableError
from pynenc.lifecycle import observation_retention
from pynenc.lifecycle.observation_retention import old_log_lines
from pynenc.recording.log_ring import LogRing
from pynenc.runner.heartbeat import Heartbeat
from pynenc.runner.log_keeping import LogKeeper
from pynenc.state_backend.log_records import LogLine
from pynenc.storage.record_store import Lookup
from pynenc.testing import in_memory, working

app = Pynenc({"app_id": "kept_logs"})


@app.task
def warns(text: str) -> None:
    app.logger.warning("about %s", text)
    app.logger.info("not kept")


@app.task
def fails() -> None:
    raise KeyError("broken")


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with in_memory(app):
        yield


def _record(text: str, *arguments: Any, level: int = logging.WARNING) -> logging.LogRecord:
    return logging.LogRecord("x", level, __file__, 1, text, arguments, None)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_a_body_logs_is_found_by_its_invocation() -> None:
    with working(app):
        calls = [warns("one"), warns("two"), fails()]
        for call in calls:
            with suppress(KeyError):
                call.wait(30)
    (line,) = app.logs(calls[0].invocation_id)
    assert (line.text, line.level, line.task_id) == ("about one", "warning", warns.task_id.key)
    (failure,) = app.logs(calls[2].invocation_id)
    assert failure.level == "error"
    assert "KeyError: 'broken'" in failure.text
    assert "Traceback" in failure.text
    assert {line.text for line in app.logs()} >= {"about one", "about two"}
    assert len(app.logs(limit=1)) == 1
    assert app.logs(since=datetime.now(UTC) + timedelta(hours=1)) == []


@pytest.mark.parametrize("settings", [{"store_logs": "off"}, {"observation": "counts"}])
def test_settings_keep_nothing(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"PYNENC__{name.upper()}", value)
    other = Pynenc({"app_id": "keeps_nothing"})
    task = other.task(_warns)
    with working(other):
        task().wait()
        other.logger.warning("beside")
    assert other.logs() == []


def test_only_errors() -> None:
    other = Pynenc({"app_id": "keeps_errors", "store_logs": "ERROR"})
    keeper = LogKeeper(other.components, "r")
    keeper.start()
    other.logger.warning("beside")
    other.logger.error("wrong")
    keeper.stop()
    assert [line.text for line in other.logs()] == ["wrong"]


def _warns() -> None:
    logging.getLogger("elsewhere").warning("x")


def test_a_flood_is_bounded_and_told() -> None:
    clock = Clock()
    ring = LogRing(logging.WARNING, clock)
    for number in range(30):
        ring.handle(_record(f"line {number}"))
    lines = ring.take()
    assert [line.text for line in lines[:-1]] == [f"line {number}" for number in range(20)]
    assert lines[-1].text == "10 more record(s) were not kept"
    for _ in range(30):
        clock.now += 1.0
        for _ in range(20):
            ring.handle(_record("more"))
    assert len(ring.take()) == 200 - 20 + 1
    clock.now += 60.0
    ring.handle(_record("later"))
    assert [line.text for line in ring.take()] == ["later"]


class Raises:
    def __str__(self) -> str:
        raise ValueError("of the user's")

    __repr__ = __str__


class Unshown(Exception):
    __str__ = Raises.__str__


@pytest.mark.parametrize("record", [_record("%s", Raises()), _record("%d", "x"), _record("%s")])
def test_arguments_that_do_not_fit_are_no_reason_to_lose_a_line(record: logging.LogRecord) -> None:
    ring = LogRing(logging.WARNING)
    ring.handle(record)
    (line,) = ring.take()
    assert record.msg in line.text


def test_errors_have_room_beside_warnings() -> None:
    ring = LogRing(logging.WARNING, Clock())
    for _ in range(30):
        ring.handle(_record("warning"))
    ring.handle(_record("error", level=logging.ERROR))
    assert [line.text for line in ring.take()][-2:] == ["error", "10 more record(s) were not kept"]


@pytest.mark.parametrize(
    "extra", [{"invocation_id": 123}, {"task_id": {"a": 1}}, {"invocation_id": "\ud800"}]
)
def test_names_of_ours_that_users_give_another_meaning_are_no_obstacle(
    extra: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.logger, "propagate", False)  # so that our own handler shows it
    logging.addLevelName(37, "W\ud800")
    keeper = LogKeeper(app.components, "r")
    keeper.start()
    app.logger.warning("odd", extra=extra)
    app.logger.log(37, "level")
    keeper.stop()
    assert [line.text for line in app.logs()] == ["odd", "level"]
    printed = capsys.readouterr().err
    assert " odd\n" in printed
    assert "Logging error" not in printed


def test_a_record_that_cannot_be_shown_ends_nothing() -> None:
    ring = LogRing(logging.WARNING)
    record = _record("")
    record.msg = Raises()
    ring.handle(record)
    assert ring.take()[0].text.startswith("a Raises")


def test_a_line_that_no_store_takes_does_not_stop_the_heartbeat(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuses(*_: Any) -> Any:
        raise TypeError("not that")

    heartbeat = Heartbeat(app.components, ["r"], lambda _: None)
    monkeypatch.setattr(app.state_backend, "write", refuses)
    heartbeat.start()
    heartbeat.stop()
    assert "could not be written" in caplog.text
    assert "a heartbeat could not be sent" not in caplog.text
    assert app.orchestrator.last_heartbeats(["r"]) == [None]


def test_odd_lines_are_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.logger, "propagate", False)  # pytest's own handler cannot carry surrogates
    keeper = LogKeeper(app.components, "r")
    keeper.start()
    try:
        app.logger.warning("surrogate \ud800, nul \x00, \U0001f600")
        app.logger.warning("long " + "x" * 10_000 + " end")
        try:
            raise Unshown
        except Unshown:
            app.logger.exception("failed")
    finally:
        keeper.stop()
    first, long, last = app.logs()
    assert "surrogate" in first.text
    assert len(long.text) < 2100
    assert long.text.endswith("end")
    assert last.text.startswith("failed\n")


def test_a_store_that_is_away_gets_them_later(monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = LogKeeper(app.components, "r")
    keeper.start()
    try:
        app.logger.warning("kept")
        with monkeypatch.context() as patched:
            patched.setattr(app.state_backend, "write", _away)
            keeper.flush()
        app.logger.warning("and this")
    finally:
        keeper.stop()
    assert [line.text for line in app.logs()] == ["kept", "and this"]
    app.logger.warning("after the end")
    assert len(app.logs()) == 2


def _away(*_: Any) -> Any:
    raise StorageUnavailableError("away")


def test_a_long_outage_keeps_the_latest() -> None:
    clock = Clock()
    ring = LogRing(logging.WARNING, clock)
    taken = []
    for number in range(600):
        clock.now += 1.0
        ring.handle(_record(str(number)))
    taken = ring.take()
    ring.handle(_record("new"))
    ring.put_back(taken)
    lines = ring.take()
    assert lines[-2].text == "new"
    assert len(lines) == 501


def test_old_lines_and_too_many_are_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = LogKeeper(app.components, "r")
    keeper.start()
    for number in range(15):
        app.logger.warning("line %d", number)
    keeper.stop()
    monkeypatch.setattr(observation_retention, "MOST_KEPT", 10)
    assert sum(old_log_lines(app.components, 0.0)) == 5
    assert [line.text for line in app.logs()] == [f"line {number}" for number in range(5, 15)]
    assert sum(old_log_lines(app.components, app.components.now() + 10)) == 10
    assert app.state_backend.count(Lookup(LogLine)) == 0


@pytest.mark.parametrize("limit", [0, -1, 1.5, "3", True, 10**30])
def test_limits_that_are_none_are_refused(limit: Any) -> None:
    with pytest.raises(ValueError, match="'limit' is a whole number"):
        app.logs(limit=limit)
    assert app.logs("x\ud800") == []
    with pytest.raises(TypeError, match="'since' is a datetime"):
        app.logs(since=5)  # type: ignore[arg-type]


def test_the_command_prints_them(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("logging_app")
    monkeypatch.setattr(module, "app", app, raising=False)
    monkeypatch.setitem(sys.modules, "logging_app", module)

    def run(*words: str) -> str:
        done = CliRunner().invoke(cli, ["--app", "logging_app.app", "logs", *words])
        assert done.exit_code == 0, done.output
        return done.output

    assert "no line is kept" in run()
    with working(app):
        call = warns("\x1b[31mred")
        call.wait()
    printed = run()
    assert f"[invocation {call.invocation_id}]" in printed
    assert "\\x1b[31mred" in printed
    assert "about" in run(call.invocation_id)
    unknown = CliRunner().invoke(cli, ["--app", "logging_app.app", "logs", call.invocation_id[-8:]])
    assert (unknown.exit_code, "its whole id" in unknown.output) == (1, True)
    for words in (["--limit", "1" + "0" * 30], ["--since", "2000000d"]):
        assert CliRunner().invoke(cli, ["--app", "logging_app.app", "logs", *words]).exit_code == 2
    assert '"level": "warning"' in run("--json", "--since", "1h")
