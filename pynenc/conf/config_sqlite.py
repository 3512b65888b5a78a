"""Settings of the SQLite storage."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from pynenc.conf.base_config import PynencConfig


def _upper_case(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


class ConfigSQLite(PynencConfig):
    """Settings of the SQLite storage, shared by all SQLite components."""

    section: ClassVar[str | None] = "sqlite"

    sqlite_db_path: str = Field(
        "pynenc.db",
        min_length=1,
        description="The database file; its folder must exist. A relative path counts from the folder "
        "in which the process was started.",
    )
    sqlite_synchronous: Annotated[Literal["NORMAL", "FULL"], BeforeValidator(_upper_case)] = Field(
        "NORMAL",
        description="`NORMAL` loses nothing when processes die; `FULL` also nothing when the machine does.",
    )
