"""Settings of signatures and codecs."""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, SecretStr, field_validator

from pynenc.conf.base_config import PynencConfig
from pynenc.conf.config_task import Names
from pynenc.identifiers.texts import is_storable

_SHORTEST_KEY = 32


def _secrets_from_text(value: Any) -> Any:
    """Return the keys in a text: a JSON list, or keys with commas between them."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        raise ValueError("it is given and empty; leave it out, or give a key")
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [key for each in value.split(",") if (key := each.strip())]


Secrets = Annotated[tuple[SecretStr, ...], BeforeValidator(_secrets_from_text)]


class ConfigSealing(PynencConfig):
    """Settings of signatures, compression and encryption: what records go through before they are stored."""

    section: ClassVar[str | None] = "sealing"

    signing_keys: Secrets = Field(
        (),
        description="Keys with which records are signed. The first signs, all verify; without a key "
        f"nothing is signed. At least {_SHORTEST_KEY} characters each.",
    )
    codec: Names = Field(
        (),
        description="What values go through before they are stored, in this order, such as `zstd, fernet`: "
        "`zlib`, `zstd`, `fernet`, or codecs of plugins; `none` to write without one and read what was "
        "written with one.",
    )
    codec_keys: Secrets = Field(
        (),
        description="Keys for those codecs that need one. The first writes, all read. For `fernet`, keys as "
        "`cryptography.fernet.Fernet.generate_key()` makes them.",
    )

    @field_validator("signing_keys")
    @classmethod
    def _long_enough(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if not all(is_storable(key.get_secret_value()) for key in keys):
            raise ValueError("a key contains a lone surrogate")
        if any(len(key.get_secret_value()) < _SHORTEST_KEY for key in keys):
            raise ValueError(
                f"a key must have at least {_SHORTEST_KEY} characters; make one with "
                f"`python -c 'import secrets; print(secrets.token_urlsafe())'`"
            )
        return keys
