"""What is called otherwise in other frameworks is answered with what to write here."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import Any
from unittest import mock

import plain_tasks
import pytest

from pynenc import Pynenc
from pynenc.calls import habits
from pynenc.exceptions import ConfigError, TaskDefinitionError


@pytest.fixture
def app() -> Pynenc:
    return Pynenc({"app_id": "habits"})


def answer(thing: Any, name: str) -> str:
    assert not hasattr(thing, name)
    with pytest.raises(AttributeError) as caught:
        getattr(thing, name)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("delay", "call the task itself: add(1, 2)"),
        ("send", "call the task itself: add(1, 2)"),
        ("apply_async", "add.options(delay=60"),
        ("s", "parallelize"),
        ("retry", "RetryError"),
        ("request", "add.invocation"),
    ],
)
def test_a_task_answers(app: Pynenc, name: str, told: str) -> None:
    assert told in answer(app.task(plain_tasks.add), name)


def test_a_task_with_options_a_handle_a_group_and_the_app_answer(app: Pynenc) -> None:
    add = app.task(plain_tasks.add)
    assert "call the task itself" in answer(add.options(delay=1), "delay")
    assert "'result'" in answer(add(1, 2), "get")
    assert "'invocation_id'" in answer(add(1, 2), "id")
    assert "'result'" in answer(add.parallelize([(1, 2)]), "join")
    assert "'task_modules'" in answer(app, "autodiscover_tasks")
    assert answer(add, "nonsense").endswith("has no attribute 'nonsense'")


def test_no_name_that_we_have_is_taken_for_a_habit(app: Pynenc) -> None:
    add = app.task(plain_tasks.add)
    call, group = add(1, 2), add.parallelize([(1, 2)])
    for thing, names in (
        (add, habits.TASK),
        (call, habits.INVOCATION),
        (group, habits.GROUP),
        (app, habits.APP),
    ):
        for name in names:
            assert answer(thing, name).count("write") + answer(thing, name).count(":") >= 1


def test_handles_are_still_copied_and_pickled(app: Pynenc) -> None:
    call = app.task(plain_tasks.add)(1, 2)
    assert copy.copy(call) == call
    assert pickle.loads(pickle.dumps(call)) == call


def test_an_attribute_error_of_a_property_is_its_own(app: Pynenc) -> None:
    class Broken(habits.AnswersHabits):
        @property
        def broken(self) -> int:
            raise AttributeError("deep inside")

    with pytest.raises(AttributeError, match="deep inside"):
        _ = Broken().broken


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"bind": True}, "task>.invocation"),
        ({"autoretry_for": (ValueError,)}, "write 'retry_for'"),
        ({"rate_limit": "10/m"}, "'throttle'"),
        ({"acks_late": True}, "leave it out"),
        ({"cron": "* * * * *"}, "triggers=on_cron"),
    ],
)
def test_options_of_tasks_are_answered(app: Pynenc, options: dict[str, Any], told: str) -> None:
    with pytest.raises(TaskDefinitionError, match=f"unknown setting '{next(iter(options))}'.*{told}"):
        app.task(plain_tasks.add, **options)


@pytest.mark.parametrize(
    ("options", "told"), [({"countdown": 5}, "write 'delay'"), ({"task_id": "x"}, "write 'invocation_id'")]
)
def test_options_of_calls_are_answered(app: Pynenc, options: dict[str, Any], told: str) -> None:
    with pytest.raises(TypeError, match=told):
        app.task(plain_tasks.add).options(**options)


# --- settings ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"runner": "ThreadRunner"}, "'runner'.*is the name of a section.*write 'runner_cls'"),
        ({"broker": "redis://x"}, "'broker'.*is the name of a section.*write 'broker_cls'"),
        ({"task": 5}, "'task'.*is the name of a section.*with a table"),
        ({"broker_url": "redis://x"}, "'redis_url'"),
        ({"task_always_eager": True}, "dev_mode_force_sync_tasks"),
        ({"mango_db": "x", "app_id": "y"}, "unknown setting 'mango_db'"),
    ],
)
def test_settings_are_answered(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Pynenc(settings)


def test_a_section_in_the_environment_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNENC__SQLITE__SQLITE_DB_PATH", "x.db")
    with pytest.raises(ConfigError, match="section 'sqlite': write PYNENC__SQLITE_DB_PATH"):
        Pynenc({"app_id": "habits"})


@pytest.mark.parametrize(
    "name", ["PYNENC_BACKEND", "PYNENC_CONFIG_BACKEND", "pynenc_backend", "PYNENC-BACKEND"]
)
def test_a_variable_that_is_nearly_a_setting_is_told_once(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(name, "sqlite")
    monkeypatch.setattr("pynenc.conf.loader._told", set())
    Pynenc({"app_id": "habits"})
    Pynenc({"app_id": "habits-2"})
    (told,) = [each.getMessage() for each in caplog.records if "not read" in each.getMessage()]
    assert f"{name} is not read" in told
    assert "write PYNENC__BACKEND" in told


def test_variables_of_other_programs_are_left_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PYNENC_TEST_REDIS_URL", "redis://x")
    monkeypatch.setenv("PYNENCED", "x")
    Pynenc({"app_id": "habits"})
    assert caplog.records == []


def test_settings_of_a_family_that_nothing_uses_are_told(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = Pynenc({"app_id": "habits", "sqlite_db_path": "x.db"})
    app.task(plain_tasks.add)(1, 2)
    (told,) = [each.getMessage() for each in caplog.records]
    assert "'sqlite_db_path' (from code)" in told
    assert "set backend='sqlite'" in told
    caplog.clear()
    Pynenc({"app_id": "habits-2", "sqlite": {"sqlite_db_path": "x.db"}, "backend": "sqlite"}).task(
        plain_tasks.add
    )
    mixed = {"broker_cls": "SQLiteBroker", "allow_partly_in_memory": True, "sqlite_db_path": "x.db"}
    Pynenc({"app_id": "habits-3", **mixed}).task(plain_tasks.add)(1, 2)
    assert caplog.records == []


# --- tools that look at everything -------------------------------------------------------


def test_tools_that_look_at_every_attribute_work_on_tasks(app: Pynenc) -> None:
    add = app.task(plain_tasks.add)
    assert not hasattr(add, "invocation")
    assert not hasattr(add, "wf")
    assert dict(inspect.getmembers(add))["task_id"] == add.task_id
    assert mock.create_autospec(add) is not None
    assert mock.Mock(spec=add).parallelize is not None
    with pytest.raises(RuntimeError, match="not running here"):
        _ = add.invocation
