"""Settings of serializers."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from pynenc.conf.base_config import PynencConfig
from pynenc.conf.config_task import Names


class ConfigSerializer(PynencConfig):
    """Settings of every serializer."""

    section: ClassVar[str | None] = "serializer"

    serializer_modules: Names = Field(
        (),
        description="Packages from which the JsonSerializer may import the classes that stored values name; "
        "otherwise it builds objects only of classes that the process has imported already.",
    )
