"""Settings of state backends."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from pynenc.conf.base_config import PynencConfig


class ConfigStateBackend(PynencConfig):
    """Settings of every state backend."""

    section: ClassVar[str | None] = "state_backend"

    runner_retention_hours: float = Field(
        168.0,
        ge=0,
        description="For how long runners, workers and clients are remembered after they were last seen; 0 "
        "for ever.",
    )
