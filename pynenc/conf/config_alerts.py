"""Settings of alerts."""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from pynenc.conf.base_config import PynencConfig
from pynenc.conf.config_task import names_from_text
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
    "new_failure",
)
"""The names of the rules."""

_MOST = {"failure_rate": 1.0, "schedule_late": 7200.0, "storage_slow": 7200.0}
"""The values that nothing can be beyond: a share, and the last bound of histograms."""


def _amount(value: Any) -> Any:
    """Accept a span such as `2m` for a number of seconds."""
    if isinstance(value, str):
        try:
            seconds = span_seconds(value)
            return float(value) if seconds is None else seconds
        except (OverflowError, ValueError):
            value = None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("must be a number, or a span such as 30s, 10m or 2h")
    return value


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
        enabled: Whether it is looked at; all are but `new_failure` where this is not set.
        subjects: Other bounds for single subjects, such as one queue.
    """

    enabled: bool | None = None
    subjects: dict[str, Bounds] = {}


def _rules(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError("must be an object with the settings of rules by their names")
    unknown = sorted(str(name) for name in set(value) - set(RULES))
    if unknown:
        raise ValueError(f"knows no rule {', '.join(map(repr, unknown))}; the rules are {', '.join(RULES)}")
    return value


def _possible(rules: dict[str, RuleSettings]) -> dict[str, RuleSettings]:
    """Refuse bounds that nothing can be beyond."""
    for name, most in _MOST.items():
        settings = rules.get(name)
        for bounds in (settings, *settings.subjects.values()) if settings is not None else ():
            if bounds.over is not None and bounds.over >= most:
                raise ValueError(f"'over' of {name} must be less than {most:g}, not {bounds.over:g}")
    return rules


def _web_address(secret: SecretStr) -> SecretStr:
    """Accept the address of a web server; it is not shown, because it may be a secret itself."""
    value = secret.get_secret_value()
    try:
        parts = urlsplit(value)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_good = False
    if not is_good or not value.isascii() or any(each <= " " for each in value):
        raise ValueError(
            "is not an address that begins with http:// or https://, in ASCII and with a port below 65536"
        )
    if parts.username is not None or parts.password is not None:
        raise ValueError("names a user or a password, which web servers are not told that way")
    return secret


Address = Annotated[SecretStr, AfterValidator(_web_address)]


class ConfigAlerts(PynencConfig):
    """Settings of alerts."""

    alerts: bool = Field(True, description="Whether the runner that does the housekeeping looks for alerts.")
    alert_rules: Annotated[dict[str, RuleSettings], BeforeValidator(_rules), AfterValidator(_possible)] = (
        Field(
            default_factory=dict,
            description="Other bounds of the rules by name, such as "
            '`{"queue_age": {"over": "10m", "for": "2m", "subjects": {"mail": {"over": "1h"}}}}`.',
        )
    )
    alert_webhooks: Annotated[tuple[Address, ...], BeforeValidator(names_from_text)] = Field(
        (), description="Addresses to which alerts are posted as JSON."
    )
    alert_webhook_secret: SecretStr | None = Field(
        None, min_length=1, description="Signs what is posted, so that the receiver can tell who sent it."
    )
    alert_repeat_hours: float = Field(
        4.0, gt=0, description="After how many hours an alert that goes on is told again."
    )
    alert_days: float = Field(30.0, gt=0, description="For how many days alerts that are over are kept.")
    alert_heartbeat_url: Address | None = Field(
        None,
        description="An address that is requested once a minute while a runner does the housekeeping, so "
        "that an outside service notices silence.",
    )
