"""The application object."""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import plain_tasks
import pytest

from pynenc import Pynenc, PynencBuilder
from pynenc.app import _new_pynenc
from pynenc.app_info import AppInfo
from pynenc.broker.storage_broker import MemBroker, SQLiteBroker
from pynenc.conf import retired
from pynenc.exceptions import ConfigError, RunnerError, TaskNotFoundError, UnknownComponentError
from pynenc.identifiers.task_id import TaskId
from pynenc.runner.external_runner import DummyRunner


def test_one_instance_for_each_id() -> None:
    app = Pynenc({"app_id": "one"})
    assert Pynenc({"app_id": "one"}) is app
    assert Pynenc({"app_id": "two"}) is not app
    assert Pynenc._instances["one"] is app
    assert Pynenc() is Pynenc(None, None)
    assert Pynenc().app_id == "pynenc"


def test_the_id_may_come_from_anywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text('app_id = "from-file"')
    assert Pynenc(config_filepath=str(path)).app_id == "from-file"
    monkeypatch.setenv("PYNENC__APP_ID", "from-environment")
    assert Pynenc(config_filepath=str(path)).app_id == "from-environment"


def test_a_second_app_with_the_same_id_and_other_settings_is_refused() -> None:
    app = Pynenc({"app_id": "one", "max_pending_seconds": 7})
    assert Pynenc({"app_id": "one", "max_pending_seconds": 7}) is app
    assert Pynenc({"app_id": "one"}) is app
    with pytest.raises(ConfigError, match="another 'app_id', or call Pynenc.discard"):
        Pynenc({"app_id": "one", "max_pending_seconds": 8})
    Pynenc.discard("one")
    assert Pynenc({"app_id": "one", "max_pending_seconds": 8}).conf.max_pending_seconds == 8


def test_properties_tell_what_it_was_made_with(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text("{}")
    app = Pynenc({"app_id": "one"}, str(path))
    assert (app.config_values, app.config_filepath) == ({"app_id": "one"}, str(path))
    assert app.logger.name == "pynenc.app.one"
    assert isinstance(app.logger, logging.Logger)
    assert app.tasks == {}


# --- pickling ------------------------------------------------------------------------


def test_a_pickle_comes_back_as_the_same_instance() -> None:
    app = Pynenc({"app_id": "one"})
    assert pickle.loads(pickle.dumps(app)) is app
    function, arguments, state = app.__reduce__()
    assert (function, arguments) == (_new_pynenc, (Pynenc, {"app_id": "one"}, None))
    assert state == app.__getstate__()
    app.__setstate__(state)
    assert len(pickle.dumps(app)) < 500


def test_a_pickle_of_a_task_comes_back_as_the_same_task() -> None:
    task = Pynenc({"app_id": "one"}).task(plain_tasks.add)
    assert pickle.loads(pickle.dumps(task)) is task


def test_unpickling_elsewhere_makes_one_instance_even_if_the_module_makes_it_differently(
    tmp_path: Path,
) -> None:
    (tmp_path / "shop.py").write_text(
        "import tempfile\n"
        "from pynenc import Pynenc\n"
        "app = Pynenc({'app_id': 'shop', 'sqlite_db_path': tempfile.mkdtemp() + '/x.db'})\n"
        "@app.task\n"
        "def double(x):\n"
        "    return 2 * x\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    dump = "import pickle, sys, shop; sys.stdout.buffer.write(pickle.dumps([shop.app, shop.double]))"
    pickled = subprocess.run([sys.executable, "-c", dump], env=environment, check=True, capture_output=True)
    load = (
        "import pickle, sys; app, task = pickle.load(sys.stdin.buffer); import shop; "
        "from pynenc import Pynenc; "
        "assert shop.app is app is task.app is Pynenc({'app_id': 'shop'}); assert shop.double is task; "
        "assert list(Pynenc._instances) == ['shop']; print(app.config_values['sqlite_db_path'])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", load], input=pickled.stdout, env=environment, check=True, capture_output=True
    )
    assert loaded.stdout.decode().strip().encode() in pickled.stdout


def test_an_app_is_built_from_its_description() -> None:
    app = Pynenc({"app_id": "one", "max_pending_seconds": 7})
    assert Pynenc.from_info(app.info) is app
    Pynenc.discard("one")
    again = Pynenc.from_info(AppInfo("one", config_values={"max_pending_seconds": 7}))
    assert (again.app_id, again.conf.max_pending_seconds) == ("one", 7)
    with pytest.raises(ConfigError, match="'add' of module 'plain_tasks' holds no Pynenc app"):
        Pynenc.from_info(AppInfo("other", "plain_tasks", "add"))


# --- components ----------------------------------------------------------------------


def test_in_memory_components_are_the_default() -> None:
    app = Pynenc({"app_id": "one"})
    names = [
        type(component).__name__
        for component in (
            app.broker,
            app.orchestrator,
            app.state_backend,
            app.trigger,
            app.serializer,
            app.client_data_store,
            app.runner,
        )
    ]
    assert names == [
        "MemBroker",
        "MemOrchestrator",
        "MemStateBackend",
        "MemTrigger",
        "JsonSerializer",
        "MemClientDataStore",
        "DummyRunner",
    ]
    assert app.broker is app.broker


def test_a_backend_selects_the_family_and_single_components_override_it() -> None:
    app = Pynenc({"app_id": "one", "backend": "sqlite", "broker_cls": "MemBroker"})
    assert isinstance(app.broker, MemBroker)
    assert type(app.orchestrator).__name__ == "SQLiteOrchestrator"
    assert app.orchestrator.storage is app.state_backend.storage  # type: ignore[attr-defined]


def test_settings_assigned_before_first_use_take_effect() -> None:
    app = Pynenc({"app_id": "one"})
    app.conf.broker_cls = "SQLiteBroker"
    assert isinstance(app.broker, SQLiteBroker)
    app.conf.broker_cls = "MemBroker"
    assert isinstance(app.broker, SQLiteBroker)
    app._reset_cached_components()
    assert isinstance(app.broker, MemBroker)


def test_components_can_be_set() -> None:
    app, other = Pynenc({"app_id": "one"}), Pynenc({"app_id": "two"})
    app.broker = other.broker
    assert app.broker is other.broker is app.components.broker


def test_an_unknown_component_is_an_error_at_first_use() -> None:
    app = Pynenc({"app_id": "one", "broker_cls": "NoBroker"})
    with pytest.raises(UnknownComponentError, match="NoBroker"):
        _ = app.broker
    with pytest.raises(UnknownComponentError, match=r"installed: mem, .*sqlite"):
        _ = Pynenc({"app_id": "two", "backend": "nosql"}).broker


def test_a_runner_that_executes_nothing_says_so() -> None:
    app = Pynenc({"app_id": "one"})
    assert isinstance(app.runner, DummyRunner)
    with pytest.raises(RunnerError, match="runner_cls"):
        app.runner.run()


def test_processes_on_memory_are_refused() -> None:
    app = PynencBuilder().app_id("one").persistent_process_runner(1).build()
    with pytest.raises(RunnerError, match="broker_cls=MemBroker.*backend='sqlite'"):
        app.runner.run()


# --- tasks ---------------------------------------------------------------------------


def test_tasks_are_found_by_id() -> None:
    app = Pynenc({"app_id": "one"})
    task = app.task(plain_tasks.add)
    assert app.tasks == {TaskId("plain_tasks", "add"): task}
    assert app.get_task(task.task_id) is task
    assert app.get_task(TaskId("plain_tasks", "fail")) is None
    with pytest.raises(TaskNotFoundError, match="'nowhere.f' is not known.*allowed_task_packages"):
        app.find_task(TaskId("nowhere", "f"))
    app.conf.allowed_task_packages = ("nowhere",)
    with pytest.raises(TaskNotFoundError, match="'nowhere.f' is not known.*importing 'nowhere' failed"):
        app.find_task(TaskId("nowhere", "f"))


def test_core_tasks_are_registered_once() -> None:
    app = Pynenc({"app_id": "one", "dev_mode_force_sync_tasks": True})
    app.register_core_tasks()
    tasks = dict(app.tasks)
    app.register_core_tasks()
    assert app.tasks == tasks
    recover = app.find_task(TaskId("pynenc.core_tasks", "recover_invocations"))
    purge = app.find_task(TaskId("pynenc.core_tasks", "purge_ended_invocations"))
    assert (recover().result, purge(older_than_hours=0).result) == (0, 0)


def test_modules_that_cannot_be_imported_are_an_error() -> None:
    app = Pynenc({"app_id": "one", "trigger_task_modules": ["nowhere.tasks"]})
    with pytest.raises(ConfigError, match="'task_modules' names 'nowhere.tasks'"):
        app.import_task_modules()


# --- settings and spellings ------------------------------------------------------------


def test_the_environment_counts_until_the_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Pynenc({"app_id": "late", "max_pending_seconds": 1})
    app.task(plain_tasks.add)
    monkeypatch.setenv("PYNENC__MAX_PENDING_SECONDS", "7")
    monkeypatch.setenv("PYNENC__APP_ID", "another")
    assert (app.conf.max_pending_seconds, app.conf.app_id, app.app_id) == (7, "late", "late")
    monkeypatch.setenv("PYNENC__MAX_PENDING_SECONDS", "9")
    assert app.conf.max_pending_seconds == 7


def test_a_wrong_environment_is_an_error_at_the_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Pynenc({"app_id": "late"})
    monkeypatch.setenv("PYNENC__MAX_PENDING_SECONDS", "soon")
    with pytest.raises(ConfigError, match="environment variable PYNENC__MAX_PENDING_SECONDS"):
        app.task(plain_tasks.add)(1)


def test_a_wrong_environment_is_an_error_as_long_as_it_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Pynenc({"app_id": "late"})
    monkeypatch.setenv("PYNENC__BACKEND", "sqlite")
    monkeypatch.setenv("PYNENC__MAX_PENDINGSECONDS", "5")
    for _ in range(2):
        with pytest.raises(ConfigError, match="did you mean 'max_pending_seconds'"):
            app.task(plain_tasks.add)(1)
    monkeypatch.delenv("PYNENC__MAX_PENDINGSECONDS")
    assert isinstance(app.broker, SQLiteBroker)


def test_threads_that_use_an_app_first_get_the_same_components(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for number in range(20):
        app = Pynenc({"app_id": f"first{number}"})
        monkeypatch.setenv("PYNENC__SQLITE_DB_PATH", str(tmp_path / f"{number}.db"))
        monkeypatch.setenv("PYNENC__BACKEND", "sqlite")
        start, seen = threading.Barrier(4), []

        def use(app: Pynenc = app, start: threading.Barrier = start, seen: list[object] = seen) -> None:
            start.wait()
            seen.append(app.broker)

        threads = [threading.Thread(target=use) for _ in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        monkeypatch.delenv("PYNENC__BACKEND")
        assert len({id(each) for each in seen}) == 1
        assert isinstance(seen[0], SQLiteBroker)


def test_a_logger_that_was_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    app, own = Pynenc({"app_id": "late"}), logging.getLogger("own")
    monkeypatch.setenv("PYNENC__MAX_PENDING_SECONDS", "7")
    app.logger = own
    assert (app.logger, app.conf.max_pending_seconds) == (own, 7)


def test_a_component_of_another_kind_is_refused() -> None:
    app = Pynenc({"app_id": "mixed"})
    with pytest.raises(TypeError, match="is not a broker"):
        app.broker = app.orchestrator  # type: ignore[assignment]


def test_settings_of_other_versions_are_told_once_and_do_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(retired, "_told", set())
    monkeypatch.setenv("PYNENC__QUEUE_TIMEOUT_SEC", "0.1")
    monkeypatch.setenv("PYNENC__CONFIGBROKER__QUEUE_TIMEOUT_SEC", "0.1")
    with caplog.at_level("WARNING", "pynenc.conf"):
        Pynenc({"app_id": "old", "arg_cache_cls": "MemArgCache", "orchestrator": {"cycle_control": True}})
        PynencBuilder().app_id("old2").task_control(queue_timeout_sec=0.1).build()
    assert [record.getMessage().partition(" (from ")[0] for record in caplog.records] == [
        "setting 'arg_cache_cls'",
        "setting 'cycle_control'",
        "setting 'queue_timeout_sec'",
    ]
    assert "use 'client_data_store_cls'" in caplog.text


def test_spellings_of_other_versions_are_accepted() -> None:
    builder = PynencBuilder().app_id("spelt").trigger_task_modules(["json", "math"])
    builder.logging_colors(use_colors=False).logging_format(fmt="json").logging(
        level="error", stream="stdout"
    )
    app = builder.build()
    conf = app.conf
    assert conf.trigger_task_modules == ("json", "math")
    assert (conf.log_use_colors, conf.log_format, conf.logging_level) == (False, "json", "error")
    assert Pynenc({"app_id": "spelt2", "backend": "memory", "broker_cls": "memory"}).broker is not None
    task = app.task(plain_tasks.add)
    group = task.parallelize(param_iter=[(1,), (2,)])
    assert len(group) == 2
    assert len(task.options(priority=1).parallelize(param_iter=[(1,)])) == 1
    for wrong in ({}, {"items": [(1,)], "param_iter": [(1,)]}):
        with pytest.raises(TypeError, match="'items' or 'param_iter', one of them"):
            task.parallelize(**wrong)
    assert group[0].workflow.parent_workflow_id is None


def test_a_runner_that_was_not_chosen_is_an_error_that_says_which_there_are() -> None:
    with pytest.raises(RunnerError, match="Set 'runner_cls' to ThreadRunner or PersistentProcessRunner"):
        Pynenc({"app_id": "none"}).runner.run()


def test_a_child_process_submits_under_an_identity_of_its_own() -> None:
    app = Pynenc({"app_id": "forked"})
    before = app.components
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, app.components.client_identity.runner_id.encode())
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    identity = os.read(reader, 100).decode()
    assert len(identity) == len(before.client_identity.runner_id)
    assert identity != before.client_identity.runner_id
    assert app.components is before


def test_what_replaces_a_component_is_used_at_once() -> None:
    app, other = Pynenc({"app_id": "replaced"}), Pynenc({"app_id": "other"})
    task = app.task(plain_tasks.add)
    task(1)
    app.broker = other.broker
    task(2)
    assert app.components.broker is other.broker
    assert other.broker.depth(["default"])["default"].ready == 1


def test_a_task_that_was_taken_out_is_not_known_any_more() -> None:
    app = Pynenc({"app_id": "tasks"})
    task = app.task(plain_tasks.add)
    assert app.find_task("plain_tasks.add") is app.find_task(task.task_id) is task
    del app.tasks[task.task_id]
    with pytest.raises(TaskNotFoundError, match=r"task 'plain_tasks.add' is not known here"):
        app.find_task("plain_tasks.add")
    with pytest.raises(TaskNotFoundError, match="task 'nodot' is not known here"):
        app.find_task("nodot")
