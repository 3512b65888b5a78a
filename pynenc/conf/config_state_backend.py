"""Settings of state backends."""

from __future__ import annotations

from typing import ClassVar

from pynenc.conf.base_config import PynencConfig


class ConfigStateBackend(PynencConfig):
    """Settings of every state backend."""

    section: ClassVar[str | None] = "state_backend"
