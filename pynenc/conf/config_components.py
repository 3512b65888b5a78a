"""Settings of the components that keep data."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from pynenc.conf.base_config import PynencConfig


class ConfigBroker(PynencConfig):
    """Settings of every broker."""

    section: ClassVar[str | None] = "broker"

    queue_lease_seconds: float = Field(
        5.0,
        gt=0,
        description="After how long a message taken by a runner that died before its claim comes back.",
    )


class ConfigOrchestrator(PynencConfig):
    """Settings of every orchestrator."""

    section: ClassVar[str | None] = "orchestrator"

    blocking_control: bool = Field(
        True, description="A task that waits for another gives its slot up meanwhile."
    )
    auto_final_invocation_purge_hours: float = Field(
        24.0, ge=0, description="After how long ended invocations are deleted; 0 keeps them."
    )


class ConfigStateBackend(PynencConfig):
    """Settings of every state backend."""

    section: ClassVar[str | None] = "state_backend"


class ConfigSerializer(PynencConfig):
    """Settings of every serializer."""

    section: ClassVar[str | None] = "serializer"


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


class ConfigClientDataStore(PynencConfig):
    """Settings of every client data store, which keeps large arguments and results."""

    section: ClassVar[str | None] = "client_data_store"

    disable_client_data_store: bool = Field(
        False, description="Keep large values inside the invocations instead."
    )
    min_size_to_cache: int = Field(
        1024, ge=0, description="Serialized values of at least this many characters are stored apart."
    )
    max_size_to_cache: int = Field(
        0, ge=0, description="Larger ones stay inside the invocation; 0 for no bound."
    )
    local_cache_size: int = Field(1024, ge=0, description="Values each process keeps at hand; 0 for none.")
    warn_threshold: int = Field(
        10 * 1024 * 1024,
        ge=0,
        description="A warning is logged for values of more characters; 0 for never.",
    )
    compression_enabled: bool = Field(False, description="Store values compressed (zlib).")
