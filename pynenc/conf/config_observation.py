"""Settings of what is kept about the work that is done."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, Field

from pynenc.conf.base_config import PynencConfig
from pynenc.conf.config_task import lower_case


class Observation(StrEnum):
    """The amounts that are kept about the work that is done."""

    OFF = "off"
    COUNTS = "counts"
    FULL = "full"


class StoredLogs(StrEnum):
    """The log records that are kept in the store."""

    WARNING = "warning"
    ERROR = "error"
    OFF = "off"


class ConfigObservation(PynencConfig):
    """Settings of what is kept about the work that is done."""

    observation: Annotated[Observation, BeforeValidator(lower_case)] = Field(
        Observation.FULL,
        description="What runners keep about the work that is done: nothing, counts and their history, or "
        "the load of each runner and its warnings too.",
    )
    rollup_minutes_hours: float = Field(
        48.0, ge=2, description="For how many hours the counts of each minute are kept."
    )
    rollup_hours_days: float = Field(
        30.0, gt=0, description="For how many days the counts of each hour are kept."
    )
    metrics_per_worker: bool = Field(
        False, description="Whether `/metrics` has the memory and CPU time of each runner and worker."
    )
    store_logs: Annotated[StoredLogs, BeforeValidator(lower_case)] = Field(
        StoredLogs.WARNING,
        description="Which log records of runners are kept in the store: those from a level on, or none.",
    )
    log_hours: float = Field(24.0, gt=0, description="For how many hours they are kept.")
    audit_days: float = Field(
        90.0, gt=0, description="For how many days it is kept what people did, and the jobs that are over."
    )
    failure_days: float = Field(
        14.0, gt=0, description="For how many days a group of failures is kept after the last of them."
    )
