"""Settings of trigger stores."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from pynenc.conf.base_config import PynencConfig


class ConfigTrigger(PynencConfig):
    """Settings of every trigger store."""

    section: ClassVar[str | None] = "trigger"

    enable_scheduler: bool = Field(True, description="Whether runners of this app evaluate triggers.")
    scheduler_interval_seconds: float = Field(
        60.0, gt=0, description="Longest time between two looks at time-based triggers."
    )
    max_events_batch_size: int = Field(100, ge=1, description="Events handled in one go.")
    event_retention_days: float = Field(
        7.0, ge=0, description="How long events and runs of triggers are kept; 0 for ever."
    )
    max_trigger_depth: int = Field(
        20,
        ge=1,
        description="How many triggers in a row may lead to a start; beyond, it is taken for a loop.",
    )
    max_buffered_events: int = Field(
        1000,
        ge=1,
        description="Most events of one code that are kept for the next wait of a workflow.",
    )
    trigger_retry_seconds: float = Field(
        300.0,
        ge=0,
        description="For how long a task that a trigger could not start is tried again; 0 for never.",
    )
