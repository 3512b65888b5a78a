"""Settings of the LMDB backend."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from pynenc.conf.base_config import PynencConfig


class ConfigLMDB(PynencConfig):
    """Where the data is, and how large it may grow."""

    section: ClassVar[str | None] = "lmdb"

    lmdb_path: str = Field("pynenc.lmdb", min_length=1, description="The folder of the database.")
    lmdb_map_size: int = Field(2**30, ge=2**20, description="How large the data may grow, in bytes.")
