"""The kinds of components."""

from __future__ import annotations

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
    def setting(self) -> str:
        """The setting that selects the class."""
        return f"{self}_cls"
