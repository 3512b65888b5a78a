"""Settings of orchestrators."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from pynenc.conf.base_config import PynencConfig


class ConfigOrchestrator(PynencConfig):
    """Settings of every orchestrator."""

    section: ClassVar[str | None] = "orchestrator"

    blocking_control: bool = Field(
        True, description="A task that waits for another gives its slot up meanwhile."
    )
    auto_final_invocation_purge_hours: float = Field(
        24.0, ge=0, description="After how long ended invocations are deleted; 0 keeps them."
    )
