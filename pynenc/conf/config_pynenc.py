"""Settings of the application."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator

from pynenc.conf.config_alerts import ConfigAlerts
from pynenc.conf.config_observation import ConfigObservation
from pynenc.conf.config_task import Names, lower_case


class ArgumentPrintMode(StrEnum):
    """The ways in which arguments appear in logs."""

    FULL = "full"
    KEYS = "keys"
    TRUNCATED = "truncated"
    HIDDEN = "hidden"


class FailureLog(StrEnum):
    """The ways in which failed attempts are logged."""

    TRACEBACK = "traceback"
    LINE = "line"
    OFF = "off"


class LogFormat(StrEnum):
    """The forms of log records."""

    TEXT = "text"
    JSON = "json"


_LEVELS = ("debug", "info", "warning", "error", "critical")


class ConfigPynenc(ConfigObservation, ConfigAlerts):
    """Settings of the application itself: its components and what they share."""

    section: ClassVar[str | None] = None

    app_id: str = Field("pynenc", min_length=1, description="Name of the app; all stored data carries it.")
    backend: str | None = Field(
        None,
        description="Selects broker, orchestrator, state backend, trigger store and client data store "
        "of one family, such as `sqlite`; each can still be set by itself.",
    )
    broker_cls: str = Field("MemBroker", description="Broker: class name, alias or dotted path.")
    orchestrator_cls: str = Field("MemOrchestrator", description="Orchestrator, likewise.")
    state_backend_cls: str = Field("MemStateBackend", description="State backend, likewise.")
    trigger_cls: str = Field("MemTrigger", description="Trigger store, likewise.")
    client_data_store_cls: str = Field("MemClientDataStore", description="Client data store, likewise.")
    serializer_cls: str = Field("JsonSerializer", description="Serializer, likewise.")
    runner_cls: str = Field("DummyRunner", description="Runner, likewise.")
    task_modules: Names = Field(
        (),
        description="Modules that runners import at start; in a name `*` stands for one part and `**` for "
        "any number of them, as in `shop.*.tasks`.",
    )
    trigger_task_modules: Names = Field((), description="Another name for `task_modules`; both are imported.")
    allowed_task_packages: Names = Field(
        (),
        description="Packages besides that of the app from which a runner may import the modules that stored "
        "task ids name.",
    )
    allow_partly_in_memory: bool = Field(
        False,
        description="Whether some components may be in the memory of a process while others are shared; "
        "what is in memory is then seen by that process only.",
    )
    embedded_runner: bool | None = Field(
        None,
        description="Whether the first wait for a result starts a runner inside this process if none is "
        "alive; unset: if all components are in memory.",
    )
    dev_mode_force_sync_tasks: bool = Field(
        False, description="Run tasks where they are called, at once, with no runner and no server."
    )
    logging_level: Annotated[str, BeforeValidator(lower_case)] = Field(
        "info", description=f"One of {', '.join(_LEVELS)}."
    )
    print_arguments: bool = Field(True, description="Whether arguments appear in logs at all.")
    truncate_arguments_length: int = Field(
        32, ge=1, description="Longest argument in the mode `TRUNCATED`, in characters."
    )
    argument_print_mode: Annotated[ArgumentPrintMode, BeforeValidator(lower_case)] = Field(
        ArgumentPrintMode.TRUNCATED, description="How arguments appear in logs."
    )
    cached_status_time: float = Field(
        0.1, ge=0, description="For how many seconds a status that is not final is not read again."
    )
    compact_log_context: bool = Field(True, description="Short ids in text logs.")
    log_use_colors: bool | None = Field(None, description="Colours in text logs; unset: on a terminal.")
    log_stream: Annotated[Literal["stderr", "stdout"], BeforeValidator(lower_case)] = Field(
        "stderr", description="Where logs go."
    )
    log_failures: Annotated[FailureLog, BeforeValidator(lower_case)] = Field(
        FailureLog.TRACEBACK,
        description="How failed attempts are logged: the last with its traceback, in one line, or not.",
    )
    log_format: Annotated[LogFormat, BeforeValidator(lower_case)] = Field(
        LogFormat.TEXT, description="Text for people or one JSON object a line."
    )
    max_pending_seconds: float = Field(
        5.0, gt=0, description="How long a claimed invocation may wait for its start."
    )
    max_recoveries: int = Field(
        3, ge=0, description="How often an invocation is taken from a dead runner before it fails."
    )
    heartbeat_interval_seconds: float = Field(2.0, gt=0, description="Time between signs of life.")
    runner_considered_dead_seconds: float = Field(
        6.0, gt=0, description="A runner silent for this long is dead; its invocations run again."
    )
    runner_considered_dead_after_minutes: float | None = Field(
        None, gt=0, description="The same bound in minutes; wins if set."
    )
    workflow_park_after_seconds: float = Field(
        1.0,
        ge=0,
        description="A body that sleeps or waits for an event longer than this leaves its runner.",
    )
    code_version: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="Version of the user's code, such as a commit. Runners publish it, and workflows keep "
        "that with which they began.",
    )
    unknown_task_grace: float = Field(
        300.0,
        ge=0,
        description="For how many seconds a call whose task a runner does not know, or cannot import, is "
        "left to runners with other code before it fails.",
    )
    blocked_workflow_grace: float = Field(
        7 * 86400.0,
        ge=0,
        description="For how many seconds a workflow that has begun waits for code that fits its record.",
    )
    recovery_interval_seconds: float = Field(
        5.0, gt=0, description="Time between looks for invocations to recover."
    )
    recover_pending_invocations_cron: str | None = Field(
        None,
        description="When to look for invocations that were claimed and not started, in UTC; "
        "unset: every `recovery_interval_seconds`.",
    )
    recover_running_invocations_cron: str | None = Field(
        None, description="When to look for invocations of dead runners, likewise."
    )
    atomic_service_interval_minutes: float | None = Field(
        None, gt=0, description="`recovery_interval_seconds` in minutes; wins if set."
    )
    atomic_service_spread_margin_minutes: float | None = Field(
        None, ge=0, description="Accepted for compatibility: a fenced lease makes a margin needless."
    )
    atomic_service_check_interval_minutes: float | None = Field(
        None, gt=0, description="Time between looks whether housekeeping is due, if it is shorter."
    )

    @field_validator("logging_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        if value not in _LEVELS:
            raise ValueError(f"must be one of {', '.join(_LEVELS)}")
        return value

    @field_validator("recover_pending_invocations_cron", "recover_running_invocations_cron")
    @classmethod
    def _is_cron(cls, value: str | None) -> str | None:
        from croniter import croniter  # noqa: PLC0415 - slow to import, and seldom needed

        if value is not None and not croniter.is_valid(value):
            raise ValueError("must be a cron expression, such as '*/5 * * * *'")
        return value

    @property
    def modules_to_import(self) -> tuple[str, ...]:
        """Modules that runners import at start, and patterns of such."""
        return tuple(dict.fromkeys([*self.task_modules, *self.trigger_task_modules]))

    @property
    def housekeeping_seconds(self) -> float:
        """The time between two passes of housekeeping."""
        if self.atomic_service_interval_minutes is not None:
            return self.atomic_service_interval_minutes * 60
        return self.recovery_interval_seconds

    @property
    def dead_after_seconds(self) -> float:
        """After how many silent seconds a runner counts as dead."""
        if self.runner_considered_dead_after_minutes is not None:
            return self.runner_considered_dead_after_minutes * 60
        return self.runner_considered_dead_seconds
