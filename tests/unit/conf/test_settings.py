"""Settings: sources, precedence, errors, provenance."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from pynenc import ConcurrencyControlType, Pynenc
from pynenc.conf.base_config import Layer, PynencConfig
from pynenc.conf.config_orchestrator import ConfigOrchestrator
from pynenc.conf.config_pynenc import ArgumentPrintMode, ConfigPynenc
from pynenc.conf.config_runner import ConfigRunner, ConfigThreadRunner
from pynenc.conf.config_sqlite import ConfigSQLite
from pynenc.conf.config_task import ConfigTask
from pynenc.conf.loader import SettingsLoader
from pynenc.exceptions import ConfigError
from pynenc.identifiers.task_id import TaskId

TASK = TaskId("mymodule", "my_task")


class ConfigWithSecret(PynencConfig):
    password: SecretStr = SecretStr("")
    number: int = 0


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "pyproject.toml").write_text("[tool.pynenc]\nmax_pending_seconds = 1\n")
    (tmp_path / "given.yaml").write_text("max_pending_seconds: 2\n")
    (tmp_path / "named.json").write_text('{"max_pending_seconds": 3}')
    return {"folder": tmp_path, "given": tmp_path / "given.yaml", "named": tmp_path / "named.json"}


def test_the_strongest_source_wins(places: dict[str, Path]) -> None:
    folder, given, named = places["folder"], str(places["given"]), str(places["named"])
    in_env = {"PYNENC__FILEPATH": named}
    code = {"max_pending_seconds": 4}

    def load(**arguments: object) -> ConfigPynenc:
        return SettingsLoader(folder=folder, **arguments).load(ConfigPynenc)  # type: ignore[arg-type]

    weakest_first = [
        load(environ={}),
        load(environ={}, config_filepath=given),
        load(environ=in_env, config_filepath=given),
        load(environ=in_env, config_filepath=given, config_values=code),
        load(environ={**in_env, "PYNENC__MAX_PENDING_SECONDS": "5"}, config_values=code),
        load(environ={"PYNENC__MAX_PENDING_SECONDS": "5", "PYNENC__CONFIGPYNENC__MAX_PENDING_SECONDS": "6"}),
    ]
    assert [conf.max_pending_seconds for conf in weakest_first] == [1, 2, 3, 4, 5, 6]
    origins = [conf.origin("max_pending_seconds") for conf in weakest_first]
    assert origins[0].startswith("[tool.pynenc] of ")
    assert origins[1] == f"file {given}"
    assert "PYNENC__FILEPATH" in origins[2]
    assert origins[3] == "code"
    assert origins[5] == "environment variable PYNENC__CONFIGPYNENC__MAX_PENDING_SECONDS"


def test_assignment_beats_everything() -> None:
    conf = SettingsLoader(environ={"PYNENC__MAX_PENDING_SECONDS": "5"}).load(ConfigPynenc)
    conf.max_pending_seconds = 7
    assert (conf.max_pending_seconds, conf.origin("max_pending_seconds")) == (7, "assignment")
    with pytest.raises(ConfigError, match="'max_pending_seconds'.*assignment.*'soon'.*valid number"):
        conf.max_pending_seconds = "soon"  # type: ignore[assignment]
    with pytest.raises(ConfigError, match="did you mean 'max_pending_seconds'"):
        conf.max_pending_second = 1  # type: ignore[attr-defined]


def test_defaults_have_no_origin() -> None:
    conf = SettingsLoader(environ={}).load(ConfigPynenc)
    assert (conf.app_id, conf.origin("app_id")) == ("pynenc", "default")
    assert not conf.is_given("app_id")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.toml", 'app_id = "x"\n[runner]\nmax_threads = 3\n[sqlite]\nsqlite_db_path = "p"\n'),
        ("c.yaml", "app_id: x\nrunner: {max_threads: 3}\nsqlite: {sqlite_db_path: p}\n"),
        (
            "c.json",
            json.dumps({"app_id": "x", "runner": {"max_threads": 3}, "sqlite": {"sqlite_db_path": "p"}}),
        ),
    ],
)
def test_files_have_sections(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    loader = SettingsLoader(config_filepath=str(path), environ={})
    assert loader.load(ConfigPynenc).app_id == "x"
    assert loader.load(ConfigThreadRunner).max_threads == 3
    assert loader.load(ConfigSQLite).sqlite_db_path == "p"


def test_the_environment_reaches_a_class_and_its_children() -> None:
    environ = {
        "PYNENC__CONFIGRUNNER__MIN_PARALLEL_SLOTS": "2",
        "PYNENC__CONFIGTHREADRUNNER__MIN_PARALLEL_SLOTS": "3",
    }
    loader = SettingsLoader(environ=environ)
    assert loader.load(ConfigRunner).min_parallel_slots == 2
    assert loader.load(ConfigThreadRunner).min_parallel_slots == 3


@pytest.mark.parametrize("text", ["high,low", '["high", "low"]', " high , low "])
def test_lists_come_from_the_environment(text: str) -> None:
    assert SettingsLoader(environ={"PYNENC__QUEUES": text}).load(ConfigRunner).queues == ("high", "low")


def test_enumerations_come_in_any_case() -> None:
    environ = {"PYNENC__ARGUMENT_PRINT_MODE": "KEYS", "PYNENC__LOGGING_LEVEL": "DEBUG"}
    conf = SettingsLoader(environ=environ).load(ConfigPynenc)
    assert (conf.argument_print_mode, conf.logging_level) == (ArgumentPrintMode.KEYS, "debug")


# --- tasks ---------------------------------------------------------------------------


def test_the_environment_beats_the_decorator_and_one_task_beats_all() -> None:
    environ = {
        "PYNENC__CONFIGTASK__MAX_RETRIES": "3",
        "PYNENC__CONFIGTASK__MYMODULE#MY_TASK__MAX_RETRIES": "5",
    }
    loader = SettingsLoader(environ=environ)
    assert loader.load_task(TASK, {"max_retries": 1}).max_retries == 5
    assert loader.load_task(TaskId("mymodule", "other"), {"max_retries": 1}).max_retries == 3


def test_the_decorator_beats_files_and_general_values() -> None:
    values = {"task": {"max_retries": 2, "call_result_cache": True, "mymodule.my_task": {"max_retries": 9}}}
    loader = SettingsLoader(config_values=values, environ={})
    assert loader.load_task(TaskId("m", "other"), {}).max_retries == 2
    assert loader.load_task(TaskId("m", "other"), {"max_retries": 1}).max_retries == 1
    one = loader.load_task(TASK, {"max_retries": 1})
    assert (one.max_retries, one.call_result_cache) == (9, True)
    assert one.origin("max_retries") == "section 'task.\"mymodule.my_task\"' of code"


def test_exceptions_come_by_name() -> None:
    environ = {"PYNENC__CONFIGTASK__RETRY_FOR": "ValueError,pynenc.exceptions.RetryError"}
    conf = SettingsLoader(environ=environ).load(ConfigTask)
    assert [each.__name__ for each in conf.retry_for] == ["ValueError", "RetryError"]
    with pytest.raises(ConfigError, match=r"'nowhere\.Error' is not an exception class that can be imported"):
        SettingsLoader(environ={"PYNENC__RETRY_FOR": "nowhere.Error"}).load(ConfigTask)
    with pytest.raises(ConfigError, match="is not an exception class"):
        SettingsLoader(config_values={"task": {"retry_for": [int]}}, environ={}).load(ConfigTask)


def test_task_defaults() -> None:
    conf = ConfigTask()
    assert (conf.parallel_batch_size, conf.max_retries, conf.key_arguments) == (100, 0, ())
    assert conf.running_concurrency == conf.registration_concurrency == ConcurrencyControlType.DISABLED


# --- errors --------------------------------------------------------------------------


def test_a_wrong_value_names_everything() -> None:
    loader = SettingsLoader(environ={"PYNENC__MAX_PENDING_SECONDS": "soon"})
    with pytest.raises(ConfigError) as caught:
        loader.load(ConfigPynenc)
    message = str(caught.value)
    for part in ("max_pending_seconds", "PYNENC__MAX_PENDING_SECONDS", "'soon'", "valid number"):
        assert part in message


def test_secrets_are_never_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        ConfigWithSecret.from_layers([Layer({"password": ["hunter2"]}, {})])
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(ConfigWithSecret(password=SecretStr("hunter2")))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"brokr_cls": "x"}, r"unknown setting 'brokr_cls' \(from code\); did you mean 'broker_cls'"),
        ({"runner": {"max_thread": 1}}, "section 'runner' of code.*did you mean 'max_threads'"),
        ({"task": {"max_retry": 1}}, "did you mean 'max_retries'"),
        ({"task": {"a.b": {"max_retry": 1}}}, "did you mean 'max_retries'"),
        ({"rediss": {}}, "unknown setting 'rediss'"),
    ],
)
def test_unknown_settings_in_code_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Pynenc({"app_id": "refused", **values})
    assert "refused" not in Pynenc._instances


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("PYNENC__BROKR_CLS", "did you mean 'broker_cls'"),
        ("PYNENC__CONFIGRUNER__QUEUES", "did you mean 'configrunner'"),
        ("PYNENC__CONFIGRUNNER__QUEUE", "did you mean 'queues'"),
        ("PYNENC__CONFIGTASK__A#B__MAX_RETRY", "did you mean 'max_retries'"),
    ],
)
def test_unknown_variables_are_refused(monkeypatch: pytest.MonkeyPatch, variable: str, message: str) -> None:
    monkeypatch.setenv(variable, "1")
    with pytest.raises(ConfigError, match=message):
        Pynenc({"app_id": "refused"})


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("missing.toml", None, "cannot be read: No such file"),
        ("bad.toml", "a = = 1", "not valid TOML"),
        ("bad.yaml", "a: [", "not valid YAML"),
        ("bad.json", "{", "not valid JSON"),
        ("list.yaml", "- 1", "names and values, not a list"),
        ("what.ini", "", "an unknown format"),
    ],
)
def test_an_unreadable_file_is_a_clear_error(
    tmp_path: Path, name: str, text: str | None, message: str
) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        Pynenc(config_filepath=str(path))
    assert str(path) in str(caught.value)


def test_the_old_names_set_the_equivalent_bounds() -> None:
    conf = SettingsLoader(config_values={"runner_considered_dead_after_minutes": 2}, environ={}).load(
        ConfigPynenc
    )
    assert conf.dead_after_seconds == 120
    assert ConfigPynenc().dead_after_seconds < 15
    assert ConfigOrchestrator().auto_final_invocation_purge_hours == 24
