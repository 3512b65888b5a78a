"""Settings of client data stores."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from pynenc.conf.base_config import PynencConfig


class ConfigClientDataStore(PynencConfig):
    """Settings of every client data store, which keeps large arguments and results."""

    section: ClassVar[str | None] = "client_data_store"

    disable_client_data_store: bool = Field(
        False, description="Keep large values inside the invocations instead."
    )
    min_size_to_cache: int = Field(
        1024, ge=0, description="Serialized values of at least this many characters are stored apart."
    )
    max_size_to_cache: int = Field(
        0, ge=0, description="Larger ones stay inside the invocation; 0 for no bound."
    )
    local_cache_size: int = Field(1024, ge=0, description="Values each process keeps at hand; 0 for none.")
    local_cache_characters: int = Field(
        64 * 1024 * 1024, ge=0, description="How long these may be together, in characters."
    )
    sharing_window_minutes: float = Field(
        60.0,
        ge=1 / 60,
        description="Equal large values are stored once within each window of this length. A stored value "
        "that nothing needs any more is deleted about two windows later.",
    )
    max_value_bytes: int = Field(
        256 * 1024 * 1024,
        ge=0,
        description="A stored value that is larger, or becomes so when it is decompressed, is not read; "
        "0 for no bound.",
    )
    warn_threshold: int = Field(
        10 * 1024 * 1024,
        ge=0,
        description="A warning is logged for values of more characters; 0 for never.",
    )
    compression_enabled: bool = Field(False, description="Store values compressed (zlib).")
