"""The command line, called in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from pynenc import Pynenc
from pynenc.cli.discovery import load_app
from pynenc.cli.main import cli
from pynenc.cli.status_diagram import POSITIONS
from pynenc.exceptions import ConfigError
from pynenc.invocation.status import RULES, InvocationStatus
from pynenc.storage.operations import Insert
from pynenc.testing.app_fixtures import running

APP = "from pynenc import Pynenc\n{name} = Pynenc({{'app_id': '{id}'}})\n"


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


# --- finding the app -----------------------------------------------------------------


def test_the_only_app_of_the_folder_is_found(folder: Path) -> None:
    (folder / "cli_alone.py").write_text(APP.format(name="my_app", id="alone"))
    (folder / "other.py").write_text("raise RuntimeError('not an app, so never imported')\n")
    assert load_app(None).app_id == "alone"


@pytest.mark.parametrize("name", ["cli_named.shop", "cli_named:shop", "cli_named", "cli_named.py"])
def test_an_app_is_found_by_name(folder: Path, name: str) -> None:
    (folder / "cli_named.py").write_text(APP.format(name="shop", id="named"))
    assert load_app(name).app_id == "named"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (None, "no Python file in .* makes a Pynenc app"),
        ("missing.py", "file 'missing.py' does not exist"),
        ("nowhere", "module 'nowhere' was not found"),
        ("nowhere.app", "cannot import module 'nowhere'"),
        ("json", "no Python file in package 'json' makes a Pynenc app"),
        ("json.dumps", "'dumps' of module 'json' is not a Pynenc app"),
    ],
)
def test_a_missing_app_is_a_clear_error(folder: Path, name: str | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_app(name)


def test_several_apps_must_be_told_apart(folder: Path) -> None:
    (folder / "cli_a.py").write_text(APP.format(name="one", id="a") + "two = Pynenc({'app_id': 'b'})\n")
    with pytest.raises(ConfigError, match="defines one, two; name one with --app cli_a.<variable>"):
        load_app(None)
    (folder / "cli_b.py").write_text(APP.format(name="app", id="c"))
    with pytest.raises(ConfigError, match=r"several files make an app: cli_a, cli_b"):
        load_app(None)
    assert load_app("cli_a.two").app_id == "b"


# --- commands ------------------------------------------------------------------------


def test_config_show_tells_values_and_origins(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "cli_conf.py").write_text(
        APP.format(name="app", id="conf") + "@app.task(max_retries=4)\ndef job(): ...\n"
    )
    monkeypatch.setenv("PYNENC__RUNNER_CLS", "ThreadRunner")
    monkeypatch.setenv("PYNENC__MAX_THREADS", "3")
    shown = json.loads(call("--app", "cli_conf.app", "config", "show", "--json").stdout)
    rows = {(row["class"], row["setting"]): (row["value"], row["origin"]) for row in shown}
    assert rows["ConfigPynenc", "app_id"] == ("conf", "code")
    assert rows["ConfigThreadRunner", "max_threads"] == (3, "environment variable PYNENC__MAX_THREADS")
    assert rows["ConfigPynenc", "max_pending_seconds"][1] == "default"
    assert rows["ConfigTask cli_conf.job", "max_retries"] == (4, "decorator of task cli_conf.job")
    assert "max_threads" in call("--app", "cli_conf.app", "config", "show").output


def test_plugins_list_shows_each_component() -> None:
    shown = json.loads(call("plugins", "list", "--json").stdout)
    found = {(row["kind"], row["name"]) for row in shown["components"]}
    assert ("broker", "SQLiteBroker") in found
    assert shown["broken"] == []
    result = call("plugins", "list")
    assert (result.exit_code, "SQLiteClientDataStore" in result.output) == (0, True)


def test_status_render_draws_the_whole_table(folder: Path) -> None:
    text = call("status", "render").output
    assert all(status.name in text for status in InvocationStatus)
    assert call("status", "render", "--format", "svg", "--output", "out.svg").exit_code == 0
    svg = ElementTree.parse(folder / "out.svg")
    ids = {element.get("id") for element in svg.iter()}
    assert {status.value for status in RULES} <= ids
    edges = {f"{source.value}-{target.value}" for source, rule in RULES.items() for target in rule.targets}
    assert edges == {name for name in ids if name and "-" in name}
    assert set(POSITIONS) == set(InvocationStatus)
    assert len(set(POSITIONS.values())) == len(POSITIONS)
    assert call("status", "render", "--output", "no/such/folder.txt").exit_code == 1


def test_doctor_finds_nothing_wrong(folder: Path) -> None:
    (folder / "cli_well.py").write_text(APP.format(name="app", id="well"))
    result = call("--app", "cli_well.app", "doctor", "--json")
    findings = {row["subject"]: row for row in json.loads(result.stdout)}
    assert result.exit_code == 0
    assert findings["broker"]["text"].startswith("MemBroker (memory 1")
    assert findings["queues"]["text"] == "empty"


def test_doctor_names_what_is_wrong(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "cli_ill.py").write_text(APP.format(name="app", id="ill"))
    monkeypatch.setenv("PYNENC__BACKEND", "sqlite")
    monkeypatch.setenv("PYNENC__SQLITE_DB_PATH", str(folder / "missing" / "x.db"))
    result = call("--app", "cli_ill.app", "doctor")
    assert result.exit_code == 1
    assert "does not exist. Create it, or set 'sqlite_db_path'" in result.output
    findings = json.loads(call("--app", "cli_ill.app", "doctor", "--json").stdout)
    told = [each["subject"] for each in findings if "does not exist" in each["text"]]
    assert len(told) == 1


def test_doctor_finds_an_error_in_work_that_nobody_does(folder: Path) -> None:
    (folder / "cli_idle.py").write_text(APP.format(name="app", id="idle") + "@app.task\ndef job(): ...\n")
    app = load_app("cli_idle.app")
    next(iter(app.tasks.values()))()
    result = call("--app", "cli_idle.app", "doctor", "--json")
    findings = {row["subject"]: row for row in json.loads(result.stdout)}
    assert findings["runners"]["level"] == "error"
    assert "pynenc runner start" in findings["runners"]["text"]
    assert result.exit_code == 1


def test_doctor_is_asked_about_one_runner_or_this_machine(folder: Path) -> None:
    (folder / "cli_here.py").write_text(
        APP.format(name="app", id="here")
        + "app.conf.runner_cls = 'ThreadRunner'\n@app.task\ndef job(): ...\n"
    )
    app = load_app("cli_here.app")
    nobody = call("--app", "cli_here.app", "doctor", "--here")
    assert (nobody.exit_code, "none of app 'here' is alive on" in nobody.output) == (1, True)
    with running(app):
        next(iter(app.tasks.values()))().wait()
        (alive,) = app.orchestrator.live_runners(0.0)
        for options in (["--here"], ["--runner", alive]):
            told = call("--app", "cli_here.app", "doctor", *options)
            assert told.exit_code == 0, told.output
            assert "ThreadRunner in process" in told.output
        gone = call("--app", "cli_here.app", "doctor", "--runner", "gone")
    assert (gone.exit_code, "runner gone has sent no heartbeat" in gone.output) == (1, True)


def test_an_unknown_runner_is_refused_before_it_starts(folder: Path) -> None:
    (folder / "cli_run.py").write_text(APP.format(name="app", id="run"))
    result = call("--app", "cli_run.app", "runner", "start", "--runner", "ThreadRuner")
    assert "Did you mean 'ThreadRunner'" in str(result.exception)


def test_runner_start_executes_until_it_is_stopped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "cli_start.py").write_text(
        APP.format(name="app", id="start") + "@app.task\ndef job(): return 7\n"
    )
    app: Pynenc = load_app("cli_start.app")
    invocation = next(iter(app.tasks.values()))()

    def stop_when_done(self: object, runner: object) -> None:
        import threading

        def wait() -> None:
            assert invocation.result == 7
            app.runner.stop_runner_loop()

        threading.Thread(target=wait).start()

    from pynenc.plugins.hookspecs import hookimpl

    plugin = type("Stopper", (), {"pynenc_runner_started": hookimpl(stop_when_done)})()
    manager = app.component_provider.hooks._manager
    manager.register(plugin)
    try:
        result = call("--app", "cli_start.app", "runner", "start")
    finally:
        manager.unregister(plugin)
    assert result.exit_code == 0
    assert invocation.result == 7


def test_doctor_counts_what_cannot_be_read(folder: Path) -> None:
    (folder / "cli_damaged.py").write_text(APP.format(name="app", id="damaged-doctor"))
    app: Any = load_app("cli_damaged.app")
    table = next(each for each in app.orchestrator.tables if each.name == "status")
    values: dict[str, Any] = dict.fromkeys(table.fields, "x") | {"status": "failed", "since": 0.0}
    app.orchestrator.storage.execute([Insert(table, "odd", values, {})])
    result = call("--app", "cli_damaged.app", "doctor", "--json")
    findings = {row["subject"]: row for row in json.loads(result.stdout)}
    assert result.exit_code == 1
    assert findings["records"]["level"] == "error"
    assert "status 'odd'" in findings["records"]["text"]


def test_what_is_stored_cannot_drive_the_terminal(folder: Path) -> None:
    (folder / "cli_escapes.py").write_text(APP.format(name="app", id="escapes"))
    app = load_app("cli_escapes.app")
    app.trigger.emit_event("paid", {"text": "\x1b[2J[red]\u202eexe\x9b31m"})
    shown = call("--app", "cli_escapes.app", "triggers", "events", "paid")
    assert shown.exit_code == 0
    assert not {"\x1b", "\u202e", "\x9b"} & set(shown.stdout)
    assert "[red]" in shown.stdout
