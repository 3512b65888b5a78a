"""Settings of alerts."""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from pynenc.conf.base_config import PynencConfig
from pynenc.conf.config_task import Names
from pynenc.identifiers.spans import span_seconds

RULES = (
    "queue_age",
    "no_consumer",
    "no_runner",
    "no_leader",
    "failure_rate",
    "stuck",
    "runner_lost",
    "recovery_storm",
    "clock",
    "schedule_late",
    "storage_slow",
)
"""The names of the rules."""


def _amount(value: Any) -> Any:
    """Accept a span such as `2m` for a number of seconds."""
    if not isinstance(value, str):
        return value
    try:
        seconds = span_seconds(value)
    except OverflowError:
        seconds = None
    return value if seconds is None else seconds


Amount = Annotated[float, BeforeValidator(_amount), Field(ge=0, allow_inf_nan=False)]


class Bounds(BaseModel):
    """The bounds of a rule for one subject.

    Attributes:
        over: The value beyond which something is wrong: seconds, a share, or a number, as the rule says.
        wait: For how many seconds it has to be wrong; written `for`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    over: Amount | None = None
    wait: Annotated[Amount | None, Field(alias="for")] = None


class RuleSettings(Bounds):
    """The settings of a rule.

    Attributes:
        enabled: Whether it is looked at.
        subjects: Other bounds for single subjects, such as one queue.
    """

    enabled: bool = True
    subjects: dict[str, Bounds] = {}


def _rules(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise ValueError(f"is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError("must be an object with the settings of rules by their names")
    unknown = sorted(str(name) for name in set(value) - set(RULES))
    if unknown:
        raise ValueError(f"knows no rule {', '.join(map(repr, unknown))}; the rules are {', '.join(RULES)}")
    return value


def web_address(value: str) -> str:
    """Accept the address of a web server.

    Raises:
        ValueError: It is something else.
    """
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or any(each <= " " for each in value):
        raise ValueError(f"{value!r} is not an address that begins with http:// or https://")
    return value


def _addresses(value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(web_address(each) for each in value)


class ConfigAlerts(PynencConfig):
    """Settings of alerts."""

    alerts: bool = Field(True, description="Whether the runner that does the housekeeping looks for alerts.")
    alert_rules: Annotated[dict[str, RuleSettings], BeforeValidator(_rules)] = Field(
        default_factory=dict,
        description="Other bounds of the rules by name, such as "
        '`{"queue_age": {"over": "10m", "for": "2m", "subjects": {"mail": {"over": "1h"}}}}`.',
    )
    alert_webhooks: Annotated[Names, AfterValidator(_addresses)] = Field(
        (), description="Addresses to which alerts are posted as JSON."
    )
    alert_webhook_secret: SecretStr | None = Field(
        None, description="Signs what is posted, so that the receiver can tell who sent it."
    )
    alert_repeat_hours: float = Field(
        4.0, gt=0, description="After how many hours an alert that goes on is told again."
    )
    alert_days: float = Field(30.0, gt=0, description="For how many days alerts that are over are kept.")
    alert_heartbeat_url: Annotated[str, AfterValidator(web_address)] | None = Field(
        None,
        description="An address that is requested once a minute while a runner does the housekeeping, so "
        "that an outside service notices silence.",
    )
