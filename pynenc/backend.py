"""Builder methods that every family of components offers alike, for plugins to give a name to."""

from __future__ import annotations

from typing import Protocol

from pynenc.builder import PynencBuilder


class ClientDataStoreMethod(Protocol):
    """Selects a client data store."""

    def __call__(
        self,
        builder: PynencBuilder,
        min_size_to_cache: int | None = None,
        max_size_to_cache: int | None = None,
        local_cache_size: int | None = None,
        warn_threshold: int | None = None,
        compression_enabled: bool | None = None,
    ) -> None:
        """Keep large values there."""


class TriggerMethod(Protocol):
    """Selects a trigger store."""

    def __call__(
        self,
        builder: PynencBuilder,
        scheduler_interval_seconds: float | None = None,
        enable_scheduler: bool | None = None,
        max_events_batch_size: int | None = None,
        event_retention_days: float | None = None,
    ) -> None:
        """Keep triggers there."""


def client_data_store_method(class_name: str) -> ClientDataStoreMethod:
    """A builder method that selects this client data store."""

    def select(
        builder: PynencBuilder,
        min_size_to_cache: int | None = None,
        max_size_to_cache: int | None = None,
        local_cache_size: int | None = None,
        warn_threshold: int | None = None,
        compression_enabled: bool | None = None,
    ) -> None:
        builder.custom_config(client_data_store_cls=class_name)
        builder.section(
            "client_data_store",
            min_size_to_cache=min_size_to_cache,
            max_size_to_cache=max_size_to_cache,
            local_cache_size=local_cache_size,
            warn_threshold=warn_threshold,
            compression_enabled=compression_enabled,
        )

    return select


def trigger_method(class_name: str) -> TriggerMethod:
    """A builder method that selects this trigger store."""

    def select(
        builder: PynencBuilder,
        scheduler_interval_seconds: float | None = None,
        enable_scheduler: bool | None = None,
        max_events_batch_size: int | None = None,
        event_retention_days: float | None = None,
    ) -> None:
        builder.custom_config(trigger_cls=class_name)
        builder.section(
            "trigger",
            scheduler_interval_seconds=scheduler_interval_seconds,
            enable_scheduler=enable_scheduler,
            max_events_batch_size=max_events_batch_size,
            event_retention_days=event_retention_days,
        )

    return select
