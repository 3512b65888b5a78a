"""Settings of the web monitor."""

from __future__ import annotations

import ipaddress
import re
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator

from pynenc.conf.base_config import PynencConfig
from pynenc.conf.config_task import Names, names_from_text

_LEAST_TOKEN = 16
_MOST_COST = 2**17
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


class Role(StrEnum):
    """The roles of those who see the monitor: a viewer looks, an operator acts as well."""

    VIEWER = "viewer"
    OPERATOR = "operator"


_USER = re.compile(
    r"(?P<name>[A-Za-z0-9._@-]{1,100}):(?P<role>viewer|operator):(?P<hash>scrypt\$[0-9]{1,7}\$[0-9]{1,2}\$[0-9]\$[A-Za-z0-9+/=]{4,100}\$[A-Za-z0-9+/=]{4,200})"
)


def _user(secret: SecretStr) -> SecretStr:
    found = _USER.fullmatch(secret.get_secret_value())
    cost, blocks, lanes = (int(each) for each in found["hash"].split("$")[1:4]) if found else (0, 0, 0)
    if not (2 <= cost <= _MOST_COST and cost & (cost - 1) == 0 and 1 <= blocks <= 16 and 1 <= lanes <= 4):
        raise ValueError(
            "is not NAME:ROLE:HASH with the role 'viewer' or 'operator' and a hash made by 'pynenc monitor "
            "hash-password'"
        )
    return secret


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"'{text}' is not an address or network, such as 10.0.0.0/8") from None
    return text


class ConfigMonitor(PynencConfig):
    """Settings of the web monitor."""

    section: ClassVar[str | None] = "monitor"

    monitor_token: SecretStr | None = Field(
        None,
        description="Lets in whoever knows it, by the log-in page or as a bearer token; at least 16 "
        "characters.",
    )
    monitor_viewer_token: SecretStr | None = Field(
        None, description="The same for those who may look and not act."
    )
    monitor_users: Annotated[
        tuple[Annotated[SecretStr, AfterValidator(_user)], ...], BeforeValidator(names_from_text)
    ] = Field(
        (),
        description="Users who log in with a password, each as `NAME:ROLE:HASH`, where the role is `viewer` "
        "or `operator`, and `pynenc monitor hash-password` makes the hash.",
    )
    monitor_alerts: bool = Field(
        True,
        description="Whether `pynenc monitor` looks for the alerts that no runner can notice: that there is "
        "none, or that none does the housekeeping.",
    )
    monitor_read_only: bool = Field(False, description="Whether nobody may act.")
    monitor_proxy_header: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9-]{1,64}$",
        description="The header in which a trusted proxy names the user, such as `X-Forwarded-User`; "
        "whoever it names may look.",
    )
    monitor_trusted_proxies: Annotated[
        tuple[Annotated[str, AfterValidator(_network)], ...], BeforeValidator(names_from_text)
    ] = Field(
        (),
        description="Addresses or networks of proxies, whose `X-Forwarded-For`, `X-Forwarded-Proto` and "
        "`monitor_proxy_header` are believed.",
    )
    monitor_operators: Names = Field((), description="The users that a proxy names who may act.")
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

    @field_validator("monitor_token", "monitor_viewer_token")
    @classmethod
    def _is_long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < _LEAST_TOKEN:
            raise ValueError(f"must have {_LEAST_TOKEN} characters at least")
        if value is not None and not re.fullmatch(r"[!-~]+( [!-~]+)*", value.get_secret_value()):
            raise ValueError("must consist of printable ASCII characters, so that it fits into a header")
        return value

    @property
    def users(self) -> dict[str, tuple[Role, str]]:
        """The role and the hash of each user."""
        found = [_USER.fullmatch(each.get_secret_value()) for each in self.monitor_users]
        return {each["name"]: (Role(each["role"]), each["hash"]) for each in found if each is not None}

    @property
    def asks_who_it_is(self) -> bool:
        """True if there is a way to tell who may see the monitor."""
        ways = (self.monitor_token, self.monitor_viewer_token, self.monitor_users, self.monitor_proxy_header)
        return any(ways)
