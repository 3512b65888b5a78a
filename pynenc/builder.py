"""A fluent way to write the settings of an app in code."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from pynenc.app import Pynenc
from pynenc.conf.config_pynenc import ArgumentPrintMode, LogFormat
from pynenc.conf.config_task import ConcurrencyControlType
from pynenc.conf.elsewhere import KNOWN_PLUGINS
from pynenc.conf.retired import is_retired
from pynenc.exceptions import BuilderMethodError, ConfigError
from pynenc.plugins.registry import import_object, plugin_registry

if TYPE_CHECKING:
    from typing import Self


class PynencBuilder:
    """Collects settings and builds the app.

    Every method but `build` returns the builder. What is set here ranks as code: the
    environment still has the last word. Plugins add methods of their own.

    Example:
        app = PynencBuilder().app_id("shop").sqlite("shop.db").thread_runner(max_threads=4).build()
    """

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def build(self) -> Pynenc:
        """Return the app.

        Raises:
            ConfigError: A setting is unknown or wrong.
        """
        return Pynenc(config_values=dict(self._values))

    def custom_config(self, **values: Any) -> Self:
        """Set any settings by name; sections are dictionaries, as in a file."""
        for name, value in values.items():
            present = self._values.get(name)
            if isinstance(present, dict) and isinstance(value, dict):
                value = {**present, **value}
            self._values[name] = value
        return self

    def section(self, name: str, **values: Any) -> Self:
        """Set those values of a section that are not None."""
        given = {key: value for key, value in values.items() if value is not None}
        return self.custom_config(**{name: given}) if given else self

    def __getattr__(self, name: str) -> Callable[..., PynencBuilder]:
        offered = plugin_registry().builder_methods()
        method = offered.get(name)
        if method is None:
            raise BuilderMethodError(_unknown_method(name, [*offered, *dir(type(self))]))
        function = import_object(method.import_path)

        def call(*args: Any, **kwargs: Any) -> PynencBuilder:
            if not callable(function):
                raise ConfigError(f"the builder method '{name}' of a plugin cannot be called")
            function(self, *args, **kwargs)
            return self

        return call

    # --- the app and its backend -------------------------------------------------------

    def app_id(self, app_id: str) -> Self:
        """Name the app."""
        return self.custom_config(app_id=app_id)

    def memory(self) -> Self:
        """Keep everything in the memory of this process."""
        return self.custom_config(backend="mem")

    def sqlite(self, sqlite_db_path: str | None = None) -> Self:
        """Keep everything in a SQLite file."""
        self.custom_config(backend="sqlite")
        return self.section("sqlite", sqlite_db_path=sqlite_db_path)

    def trigger_task_modules(self, *modules: str | Iterable[str]) -> Self:
        """Name modules that runners import at start, one by one or as a list."""
        names = [each for given in modules for each in ([given] if isinstance(given, str) else given)]
        return self.custom_config(trigger_task_modules=tuple(names))

    # --- runners -----------------------------------------------------------------------

    def thread_runner(self, min_threads: int | None = None, max_threads: int | None = None) -> Self:
        """Execute in threads of one process."""
        self.custom_config(runner_cls="ThreadRunner")
        return self.section("runner", min_threads=min_threads, max_threads=max_threads)

    def persistent_process_runner(self, num_processes: int | None = None) -> Self:
        """Execute in a fixed number of worker processes."""
        self.custom_config(runner_cls="PersistentProcessRunner")
        return self.section("runner", num_processes=num_processes)

    def multi_thread_runner(
        self,
        min_threads: int | None = None,
        max_threads: int | None = None,
        min_processes: int | None = None,
        max_processes: int | None = None,
        idle_timeout_process_sec: float | None = None,
        enforce_max_processes: bool | None = None,
    ) -> Self:
        """Execute in threads of several processes, more of them while messages wait."""
        self.custom_config(runner_cls="MultiThreadRunner")
        return self.section(
            "runner",
            min_threads=min_threads,
            max_threads=max_threads,
            min_processes=min_processes,
            max_processes=max_processes,
            idle_timeout_process_sec=idle_timeout_process_sec,
            enforce_max_processes=enforce_max_processes,
        )

    def process_runner(self, num_processes: int | None = None) -> Self:
        """Execute each invocation in a process of its own."""
        self.custom_config(runner_cls="ProcessRunner")
        return self.section("runner", num_processes=num_processes)

    def async_runner(self, max_concurrency: int | None = None) -> Self:
        """Execute coroutines, many at a time, in one event loop."""
        self.custom_config(runner_cls="AsyncRunner")
        return self.section("runner", max_concurrency=max_concurrency)

    def dummy_runner(self) -> Self:
        """Execute nothing here: this process only submits."""
        return self.custom_config(runner_cls="DummyRunner")

    def runner_tuning(
        self,
        runner_loop_sleep_time_sec: float | None = None,
        invocation_wait_results_sleep_time_sec: float | None = None,
        min_parallel_slots: int | None = None,
        prefetch_seconds: float | None = None,
        max_prefetch: int | None = None,
        shutdown_grace_seconds: float | None = None,
    ) -> Self:
        """Set how runners look for work and stop."""
        return self.section(
            "runner",
            runner_loop_sleep_time_sec=runner_loop_sleep_time_sec,
            invocation_wait_results_sleep_time_sec=invocation_wait_results_sleep_time_sec,
            min_parallel_slots=min_parallel_slots,
            prefetch_seconds=prefetch_seconds,
            max_prefetch=max_prefetch,
            shutdown_grace_seconds=shutdown_grace_seconds,
        )

    def dev_mode(self, force_sync_tasks: bool = True) -> Self:
        """Run tasks where they are called, with no runner and no server."""
        return self.custom_config(dev_mode_force_sync_tasks=force_sync_tasks)

    # --- tasks -------------------------------------------------------------------------

    def task_control(
        self,
        blocking_control: bool | None = None,
        auto_final_invocation_purge_hours: float | None = None,
        queue_timeout_sec: float | None = None,
    ) -> Self:
        """Set how the orchestrator treats waiting tasks and ended invocations.

        `queue_timeout_sec` is known from other versions of this API and has no effect here.
        """
        if queue_timeout_sec is not None:
            is_retired("queue_timeout_sec", "task_control")
        return self.section(
            "orchestrator",
            blocking_control=blocking_control,
            auto_final_invocation_purge_hours=auto_final_invocation_purge_hours,
        )

    def concurrency_control(
        self,
        running_concurrency: ConcurrencyControlType | str | None = None,
        registration_concurrency: ConcurrencyControlType | str | None = None,
    ) -> Self:
        """Set the concurrency control of all tasks that do not say otherwise."""
        return self.section(
            "task",
            running_concurrency=running_concurrency,
            registration_concurrency=registration_concurrency,
        )

    def max_pending_seconds(self, seconds: float) -> Self:
        """Set how long a claimed invocation may wait for its start."""
        return self.custom_config(max_pending_seconds=seconds)

    # --- serializers and stores --------------------------------------------------------

    def serializer_json(self) -> Self:
        """Write values as JSON that is safe to read."""
        return self.custom_config(serializer_cls="JsonSerializer")

    def serializer_json_pickle(self) -> Self:
        """Write values as JSON, and what JSON lacks with jsonpickle."""
        return self.custom_config(serializer_cls="JsonPickleSerializer")

    def serializer_pickle(self) -> Self:
        """Write values with pickle."""
        return self.custom_config(serializer_cls="PickleSerializer")

    def mem_client_data_store(
        self,
        min_size_to_cache: int | None = None,
        max_size_to_cache: int | None = None,
        local_cache_size: int | None = None,
        warn_threshold: int | None = None,
        compression_enabled: bool | None = None,
    ) -> Self:
        """Keep large values in the memory of this process."""
        self.custom_config(client_data_store_cls="MemClientDataStore")
        return self.section(
            "client_data_store",
            min_size_to_cache=min_size_to_cache,
            max_size_to_cache=max_size_to_cache,
            local_cache_size=local_cache_size,
            warn_threshold=warn_threshold,
            compression_enabled=compression_enabled,
        )

    def disable_client_data_store(self) -> Self:
        """Keep large values inside the invocations."""
        return self.section("client_data_store", disable_client_data_store=True)

    def mem_trigger(
        self,
        scheduler_interval_seconds: float | None = None,
        enable_scheduler: bool | None = None,
        max_events_batch_size: int | None = None,
        event_retention_days: float | None = None,
    ) -> Self:
        """Keep triggers in the memory of this process."""
        self.custom_config(trigger_cls="MemTrigger")
        return self.section(
            "trigger",
            scheduler_interval_seconds=scheduler_interval_seconds,
            enable_scheduler=enable_scheduler,
            max_events_batch_size=max_events_batch_size,
            event_retention_days=event_retention_days,
        )

    # --- logs --------------------------------------------------------------------------

    def logging_level(self, level: str) -> Self:
        """Set the level of the logs."""
        return self.custom_config(logging_level=level)

    def logging_colors(self, enabled: bool = True, *, use_colors: bool | None = None) -> Self:
        """Turn colours in text logs on or off; `use_colors` is the same."""
        return self.custom_config(log_use_colors=enabled if use_colors is None else use_colors)

    def logging_stream(self, stream: str) -> Self:
        """Set where logs go: `stderr` or `stdout`."""
        return self.custom_config(log_stream=stream)

    def logging_format(
        self, log_format: LogFormat | str | None = None, *, fmt: LogFormat | str | None = None
    ) -> Self:
        """Set the form of the logs: `text` or `json`; `fmt` is the same."""
        chosen = log_format if fmt is None else fmt
        if chosen is None:
            raise ConfigError("logging_format needs a format: 'text' or 'json'")
        return self.custom_config(log_format=chosen)

    def logging(
        self,
        level: str | None = None,
        use_colors: bool | None = None,
        stream: str | None = None,
        fmt: LogFormat | str | None = None,
        compact_context: bool | None = None,
    ) -> Self:
        """Set several things about the logs at once."""
        given = {
            "logging_level": level,
            "log_use_colors": use_colors,
            "log_stream": stream,
            "log_format": fmt,
            "compact_log_context": compact_context,
        }
        return self.custom_config(**{name: value for name, value in given.items() if value is not None})

    def argument_print_mode(self, mode: ArgumentPrintMode | str, truncate_length: int | None = None) -> Self:
        """Set how arguments appear in logs, and how long in the mode `truncated`."""
        self.custom_config(argument_print_mode=mode, print_arguments=True)
        if truncate_length is not None:
            self.custom_config(truncate_arguments_length=truncate_length)
        return self

    def hide_arguments(self) -> Self:
        """Show no arguments in logs."""
        return self.argument_print_mode(ArgumentPrintMode.HIDDEN)

    def show_argument_keys(self) -> Self:
        """Show only the names of arguments in logs."""
        return self.argument_print_mode(ArgumentPrintMode.KEYS)

    def show_full_arguments(self) -> Self:
        """Show arguments in logs as they are."""
        return self.argument_print_mode(ArgumentPrintMode.FULL)

    def show_truncated_arguments(self, truncate_length: int | None = None) -> Self:
        """Show arguments in logs up to a length."""
        return self.argument_print_mode(ArgumentPrintMode.TRUNCATED, truncate_length)


def _unknown_method(name: str, known: list[str]) -> str:
    for alias, distribution in KNOWN_PLUGINS.items():
        if name == alias or name.startswith(f"{alias}_"):
            return (
                f"the builder has no method '{name}': it comes with the plugin {distribution}, "
                f"which is not installed. Install it with: pip install {distribution}"
            )
    public = [each for each in known if not each.startswith("_")]
    near = difflib.get_close_matches(name, public, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(sorted(public))}"
    return f"the builder has no method '{name}'; {hint}"
