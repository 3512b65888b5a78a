"""Settings of brokers."""

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
