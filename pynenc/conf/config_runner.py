"""Settings of the runners."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from pynenc.conf.base_config import PynencConfig
from pynenc.conf.config_task import Names, lower_case
from pynenc.conf.queues import DEFAULT_QUEUE


class ConfigRunner(PynencConfig):
    """Settings of every runner."""

    section: ClassVar[str | None] = "runner"

    invocation_wait_results_sleep_time_sec: float = Field(
        0.1, gt=0, description="First timed look of who waits for a result, should a wake-up be lost."
    )
    runner_loop_sleep_time_sec: float = Field(
        1.0, gt=0, description="First timed look of an idle runner, should a wake-up be lost."
    )
    min_parallel_slots: int = Field(1, ge=1, description="Slots that a runner has at least.")
    queues: Names = Field((DEFAULT_QUEUE,), min_length=1, description="Queues that the runner consumes.")
    queue_selection_strategy: Annotated[Literal["ordered", "round_robin"], BeforeValidator(lower_case)] = (
        Field("ordered", description="`ordered`: earlier queues go first; `round_robin`: turn by turn.")
    )
    prefetch_seconds: float = Field(
        0.05,
        ge=0,
        description="A worker claims no more than it expects to start within this time; 0 for one by one.",
    )
    max_prefetch: int = Field(50, ge=1, description="Most invocations claimed by a worker in one go.")
    shutdown_grace_seconds: float = Field(
        30.0, ge=0, description="On a stop signal: time for running tasks before they are handed back."
    )
    store_wait_seconds: float = Field(
        0.0,
        ge=0,
        description="How long a runner that starts waits for its store to answer before it gives up.",
    )
    health_port: int | None = Field(
        None, ge=0, le=65535, description="Port for probes: `GET /healthz` and `/readyz`; unset: none."
    )
    health_host: str = Field("127.0.0.1", description="Address on which `health_port` is opened.")
    health_file: str | None = Field(
        None, min_length=1, description="File that holds the health as a line of JSON while the runner lives."
    )


class ConfigPoolRunner(ConfigRunner):
    """Settings of every runner with worker processes."""

    restart_delay_seconds: float = Field(
        0.2, ge=0, description="Pause before a worker that died is replaced; doubles while it keeps dying."
    )
    start_method: Annotated[Literal["auto", "fork_server", "spawn"], BeforeValidator(lower_case)] = Field(
        "auto",
        description="`fork_server`: workers are forked by a process that has imported pynenc and plugins; "
        "`spawn`: each is a new Python; `auto`: the first where the system has it.",
    )


class ConfigThreadRunner(ConfigRunner):
    """Settings of the runner that executes in threads of its process."""

    min_threads: int = Field(1, ge=1, description="Threads at least.")
    max_threads: int = Field(0, ge=0, description="Threads at most; 0 for the number of cores.")


class ConfigMultiThreadRunner(ConfigPoolRunner, ConfigThreadRunner):
    """Settings of the runner that executes in threads of several processes."""

    min_processes: int = Field(1, ge=1, description="Worker processes at least.")
    max_processes: int = Field(0, ge=0, description="Worker processes at most; 0 for the number of cores.")
    idle_timeout_process_sec: float = Field(
        4.0, gt=0, description="A worker process above the least number ends after this much idleness."
    )
    enforce_max_processes: bool = Field(
        True, description="Off: processes are added as long as messages wait, whatever the most is."
    )


class ConfigProcessRunner(ConfigPoolRunner):
    """Settings of the runner that gives each invocation a process of its own."""

    num_processes: int = Field(0, ge=0, description="Processes at a time; 0 for the number of cores.")


class ConfigAsyncRunner(ConfigRunner):
    """Settings of the runner that executes coroutines in one event loop."""

    max_concurrency: int = Field(1000, ge=1, description="Invocations that run at the same time.")


class ConfigPersistentProcessRunner(ConfigPoolRunner):
    """Settings of the runner that keeps a fixed number of worker processes."""

    num_processes: int = Field(0, ge=0, description="Worker processes; 0 for the number of cores.")
