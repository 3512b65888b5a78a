"""The kinds of components, in one table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ComponentKind(StrEnum):
    """The seven kinds of components."""

    BROKER = "broker"
    ORCHESTRATOR = "orchestrator"
    STATE_BACKEND = "state_backend"
    TRIGGER = "trigger"
    CLIENT_DATA_STORE = "client_data_store"
    SERIALIZER = "serializer"
    RUNNER = "runner"

    @property
    def spec(self) -> KindSpec:
        """The row of the table of kinds."""
        return KINDS[self]

    @property
    def setting(self) -> str:
        """The setting that selects the class."""
        return KINDS[self].setting

    @property
    def words(self) -> str:
        """The kind as messages name it."""
        return self.replace("_", " ")


@dataclass(frozen=True, slots=True)
class KindSpec:
    """The properties that all components of a kind share.

    Attributes:
        kind: The kind.
        base: `package.module:ClassName` of the interface; as text, because it stands above this room.
        settings: `package.module:ClassName` of the settings that every component of the kind has.
        suffix: The end of the class names: a family named `Redis` has a `RedisBroker`.
        keeps_data: Whether it belongs to a storage family, is pinged and purged, and must be shared
            between processes.
    """

    kind: ComponentKind
    base: str
    settings: str
    suffix: str
    keeps_data: bool = True

    @property
    def setting(self) -> str:
        """The setting that selects the class."""
        return f"{self.kind}_cls"


def _row(kind: ComponentKind, suffix: str, keeps_data: bool = True) -> KindSpec:
    base = f"pynenc.{kind}.base_{kind}:Base{suffix}"
    return KindSpec(kind, base, f"pynenc.conf.config_{kind}:Config{suffix}", suffix, keeps_data)


KINDS: dict[ComponentKind, KindSpec] = {
    row.kind: row
    for row in (
        _row(ComponentKind.BROKER, "Broker"),
        _row(ComponentKind.ORCHESTRATOR, "Orchestrator"),
        _row(ComponentKind.STATE_BACKEND, "StateBackend"),
        _row(ComponentKind.TRIGGER, "Trigger"),
        _row(ComponentKind.CLIENT_DATA_STORE, "ClientDataStore"),
        _row(ComponentKind.SERIALIZER, "Serializer", keeps_data=False),
        _row(ComponentKind.RUNNER, "Runner", keeps_data=False),
    )
}
"""The table of kinds."""

STORES: tuple[ComponentKind, ...] = tuple(kind for kind, row in KINDS.items() if row.keeps_data)
"""The kinds that keep data; a storage family has one component of each."""
