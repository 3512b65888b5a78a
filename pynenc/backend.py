"""The page that the author of a backend imports from: components of a driver, and builder methods.

What a plugin offers is described in its own module with `pynenc.plugins.component.family_specs`, which
imports nothing of this.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from pynenc.broker.base_broker import BaseBroker, Delivery, Message
from pynenc.broker.plain_broker import Incoming, Outgoing, PlainBroker
from pynenc.broker.storage_broker import StorageBroker
from pynenc.builder import PynencBuilder
from pynenc.client_data_store.base_client_data_store import BaseClientDataStore
from pynenc.client_data_store.storage_client_data_store import StorageClientDataStore
from pynenc.orchestrator.base_orchestrator import BaseOrchestrator
from pynenc.orchestrator.storage_orchestrator import StorageOrchestrator
from pynenc.plugins.component import ComponentContext
from pynenc.plugins.kinds import KINDS, ComponentKind
from pynenc.state_backend.base_state_backend import BaseStateBackend
from pynenc.state_backend.storage_state_backend import StorageStateBackend
from pynenc.storage.base_storage import Storage
from pynenc.storage.drivers import StorageDriver
from pynenc.storage.operations import Cursor, QueueDepth
from pynenc.storage.record_store import Amend, Lookup, RecordSpec, Remove, Save, Wake, key_of
from pynenc.trigger.base_trigger import BaseTrigger
from pynenc.trigger.storage_trigger import StorageTrigger

__all__ = [
    "Amend",
    "BaseBroker",
    "BaseClientDataStore",
    "BaseOrchestrator",
    "BaseStateBackend",
    "BaseTrigger",
    "ClientDataStoreMethod",
    "ComponentContext",
    "Cursor",
    "Delivery",
    "Incoming",
    "Lookup",
    "Message",
    "Outgoing",
    "PlainBroker",
    "QueueDepth",
    "RecordSpec",
    "Remove",
    "Save",
    "Storage",
    "StorageBroker",
    "StorageClientDataStore",
    "StorageDriver",
    "StorageFamily",
    "StorageOrchestrator",
    "StorageStateBackend",
    "StorageTrigger",
    "TriggerMethod",
    "Wake",
    "client_data_store_method",
    "key_of",
    "storage_family",
    "trigger_method",
]


class StorageFamily(NamedTuple):
    """The five components of a storage driver."""

    broker: type[StorageBroker]
    orchestrator: type[StorageOrchestrator]
    state_backend: type[StorageStateBackend]
    trigger: type[StorageTrigger]
    client_data_store: type[StorageClientDataStore]


def storage_family(prefix: str, driver: type[StorageDriver], module: str) -> StorageFamily:
    """Make the five components of a storage driver.

    They are ordinary subclasses of `StorageBroker`, `StorageOrchestrator` and so on. A family that
    does something natively writes that one class by hand, with `driver` as its class attribute.

    Args:
        prefix: The beginning of the class names, such as `Redis` for `RedisBroker`.
        driver: Opens the storage.
        module: `__name__` of the module that assigns the classes to their names.

    Example:
        NatsBroker, NatsOrchestrator, NatsStateBackend, NatsTrigger, NatsClientDataStore = (
            storage_family("Nats", NatsDriver, module=__name__)
        )
    """

    def bound(kind: ComponentKind, base: type[Any]) -> Any:
        name = f"{prefix}{KINDS[kind].suffix}"
        doc = f"The {kind.words} on {prefix}."
        return type(name, (base,), {"__module__": module, "__doc__": doc, "driver": driver})

    return StorageFamily(
        bound(ComponentKind.BROKER, StorageBroker),
        bound(ComponentKind.ORCHESTRATOR, StorageOrchestrator),
        bound(ComponentKind.STATE_BACKEND, StorageStateBackend),
        bound(ComponentKind.TRIGGER, StorageTrigger),
        bound(ComponentKind.CLIENT_DATA_STORE, StorageClientDataStore),
    )


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
    """Return a builder method that selects this client data store."""

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
    """Return a builder method that selects this trigger store."""

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
