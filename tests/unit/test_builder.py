"""The fluent builder."""

from __future__ import annotations

import pytest

from pynenc import ConcurrencyControlType, PynencBuilder
from pynenc.conf.config_client_data_store import ConfigClientDataStore
from pynenc.conf.config_orchestrator import ConfigOrchestrator
from pynenc.conf.config_pynenc import ArgumentPrintMode, LogFormat
from pynenc.conf.config_runner import ConfigPersistentProcessRunner, ConfigThreadRunner
from pynenc.conf.config_sqlite import ConfigSQLite
from pynenc.conf.config_task import ConfigTask
from pynenc.conf.config_trigger import ConfigTrigger
from pynenc.exceptions import ConfigError
from pynenc.plugins.component import BuilderMethod
from pynenc.plugins.registry import KNOWN_PLUGINS


def test_every_method_sets_what_it_says() -> None:
    app = (
        PynencBuilder()
        .app_id("built")
        .sqlite("x.db")
        .thread_runner(min_threads=1, max_threads=3)
        .logging_level("warning")
        .logging_colors(False)
        .logging_stream("stdout")
        .logging_format("json")
        .runner_tuning(runner_loop_sleep_time_sec=2, min_parallel_slots=2)
        .task_control(blocking_control=False)
        .concurrency_control(running_concurrency="task", registration_concurrency=ConcurrencyControlType.KEYS)
        .serializer_json()
        .mem_client_data_store(min_size_to_cache=5)
        .mem_trigger(enable_scheduler=False)
        .max_pending_seconds(9)
        .show_truncated_arguments(7)
        .trigger_task_modules("a", "b")
        .custom_config(cached_status_time=1.5)
        .dev_mode()
        .build()
    )
    conf, load = app.conf, app.settings_loader.load
    assert (conf.app_id, conf.backend, conf.runner_cls) == ("built", "sqlite", "ThreadRunner")
    assert (conf.serializer_cls, conf.trigger_cls) == ("JsonSerializer", "MemTrigger")
    assert (conf.logging_level, conf.log_use_colors, conf.log_stream) == ("warning", False, "stdout")
    assert (conf.log_format, conf.max_pending_seconds, conf.cached_status_time) == (LogFormat.JSON, 9, 1.5)
    assert (conf.argument_print_mode, conf.truncate_arguments_length) == (ArgumentPrintMode.TRUNCATED, 7)
    assert (conf.trigger_task_modules, conf.dev_mode_force_sync_tasks) == (("a", "b"), True)
    runner = load(ConfigThreadRunner)
    assert (runner.max_threads, runner.runner_loop_sleep_time_sec, runner.min_parallel_slots) == (3, 2, 2)
    assert load(ConfigSQLite).sqlite_db_path == "x.db"
    assert not load(ConfigOrchestrator).blocking_control
    assert load(ConfigTask).running_concurrency == ConcurrencyControlType.TASK
    assert load(ConfigClientDataStore).min_size_to_cache == 5
    assert not load(ConfigTrigger).enable_scheduler


@pytest.mark.parametrize(
    ("method", "mode"),
    [("hide_arguments", "hidden"), ("show_argument_keys", "keys"), ("show_full_arguments", "full")],
)
def test_print_modes(method: str, mode: str) -> None:
    app = getattr(PynencBuilder().app_id("built"), method)().build()
    assert app.conf.argument_print_mode == mode


def test_other_runners_and_serializers() -> None:
    app = PynencBuilder().app_id("built").memory().persistent_process_runner(4).serializer_pickle().build()
    assert app.conf.runner_cls == "PersistentProcessRunner"
    assert app.settings_loader.load(ConfigPersistentProcessRunner).num_processes == 4
    app = (
        PynencBuilder()
        .app_id("b2")
        .dummy_runner()
        .serializer_json_pickle()
        .disable_client_data_store()
        .build()
    )
    assert app.conf.runner_cls == "DummyRunner"
    assert app.settings_loader.load(ConfigClientDataStore).disable_client_data_store


@pytest.mark.parametrize("method", ["nats", "nats_client_data_store"])
def test_a_method_of_a_missing_plugin_gives_the_pip_line(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KNOWN_PLUGINS, "nats", "pynenc-nats")
    with pytest.raises(ConfigError, match="pip install pynenc-nats"):
        getattr(PynencBuilder(), method)(url="x")


def test_an_unknown_method_names_the_nearest() -> None:
    with pytest.raises(AttributeError, match="did you mean 'sqlite'"):
        PynencBuilder().sqlit()
    assert not hasattr(PynencBuilder(), "sqlit")


def name_it(builder: PynencBuilder, name: str) -> None:
    builder.app_id(name)


def test_plugins_add_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    method = BuilderMethod("named", f"{__name__}:name_it")
    monkeypatch.setattr(
        "pynenc.plugins.registry.PluginRegistry.builder_methods", lambda self: {"named": method}
    )
    assert PynencBuilder().named("from-plugin").build().app_id == "from-plugin"
