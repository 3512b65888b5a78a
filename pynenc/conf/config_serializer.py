"""Settings of serializers."""

from __future__ import annotations

from typing import ClassVar

from pynenc.conf.base_config import PynencConfig


class ConfigSerializer(PynencConfig):
    """Settings of every serializer."""

    section: ClassVar[str | None] = "serializer"
