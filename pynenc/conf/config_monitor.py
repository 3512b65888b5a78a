"""Settings of the web monitor."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field, SecretStr, field_validator

from pynenc.conf.base_config import PynencConfig
from pynenc.conf.config_task import Names, names_from_text

_LEAST_TOKEN = 16
MASKED = (
    "password",
    "passwd",
    "secret",
    "token",
    "api_key",
    "apikey",
    "authorization",
    "cookie",
    "card",
    "iban",
    "ssn",
)
"""The parts of names whose values are not shown, where nothing else is set."""


class ConfigMonitor(PynencConfig):
    """Settings of the web monitor."""

    section: ClassVar[str | None] = "monitor"

    monitor_token: SecretStr | None = Field(
        None,
        description="Lets in whoever knows it, by the log-in page or as a bearer token; at least 16 "
        "characters.",
    )
    monitor_secret: SecretStr | None = Field(
        None,
        min_length=_LEAST_TOKEN,
        description="Signs sessions; unset: a random one, so that they end with the process.",
    )
    monitor_session_hours: float = Field(12.0, gt=0, le=720, description="How long a log-in lasts.")
    monitor_allowed_hosts: Names = Field(
        (), description="Names by which browsers may ask for the monitor, besides those of this machine."
    )
    monitor_label: str = Field(
        "", max_length=40, description="A word beside the name of the app, such as `production`."
    )
    monitor_mask: Annotated[tuple[str, ...], BeforeValidator(names_from_text)] = Field(
        MASKED, description="Parts of the names of arguments, keys and headers whose values are not shown."
    )

    @field_validator("monitor_token")
    @classmethod
    def _is_long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < _LEAST_TOKEN:
            raise ValueError(f"must have {_LEAST_TOKEN} characters at least")
        if value is not None and not re.fullmatch(r"[!-~]+( [!-~]+)*", value.get_secret_value()):
            raise ValueError("must consist of printable ASCII characters, so that it fits into a header")
        return value
