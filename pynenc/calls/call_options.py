"""Options of one call, given by `task.options(...)`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypedDict, get_args

from pydantic import ValidationError

from pynenc.conf.base_config import unknown_setting
from pynenc.conf.config_task import OPTION_TYPES, ConfigTask
from pynenc.conf.headers import check_headers, packed_headers
from pynenc.conf.tags import MOST_TAGS, packed_tags, tags_of
from pynenc.identifiers.texts import is_storable, shown

_ID = re.compile(r"[A-Za-z0-9._-]{1,200}")


IfExists = Literal["return", "refuse", "replace"]
"""The policies for a workflow whose name exists."""


class CallOptionValues(TypedDict, total=False):
    """The options of one call, as `task.options(...)` takes them. None leaves an option as it is.

    Attributes:
        delay: The time to wait before the invocation may run, as seconds or timedelta.
        eta: The moment before which it does not run (aware).
        queue: The queue it goes to.
        priority: Higher goes first within the queue.
        timeout: The time after which a run is asked to stop, as seconds or timedelta.
        idempotency_key: Any text. A second call of the task with it returns the first one's
            invocation, whatever became of that, until its record is deleted.
        idempotency_ttl: For how long the key stands for this call, as seconds or timedelta; after that
            a call with the key is a new one. The record is kept so long, whatever the retention says.
        invocation_id: The id of the invocation: up to 200 letters, digits, dots, dashes and
            underscores. A second call with it returns the first one's invocation.
        workflow_id: The name of a workflow, such as `order-42`, of the same letters. Under it events,
            queries and `app.get_invocation` find the latest one that was started with it.
        if_exists: What becomes of a call whose `workflow_id` a stored workflow has: `return` gives the
            handle on that, the default; `refuse` raises a `WorkflowExistsError`; `replace` cancels it
            if it has not ended, and starts the new one.
        tags: Names and values by which `app.search` finds the invocation, besides those of the task.
        headers: Names and texts that travel with the invocation and with what its body submits, over
            those that it inherits.
    """

    delay: float | timedelta | None
    eta: datetime | None
    queue: str | None
    priority: float | None
    timeout: float | timedelta | None
    idempotency_key: str | None
    idempotency_ttl: float | timedelta | None
    invocation_id: str | None
    workflow_id: str | None
    if_exists: IfExists | None
    tags: Mapping[str, str] | None
    headers: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class CallOptions:
    """The options of one call: where, when and how long the invocation runs.

    Attributes:
        queue: Queue to go to.
        priority: Higher goes first.
        timeout: Seconds after which a run is asked to end, or None.
        delay_s: Not to run before this many seconds have passed.
        eta: Not to run before this moment (aware), or None.
        idempotency_key: See `CallOptionValues`.
        invocation_id: See `CallOptionValues`.
        workflow_id: See `CallOptionValues`.
        if_exists: See `CallOptionValues`.
        idempotency_ttl: See `CallOptionValues`; in seconds.
        tags: JSON text: the tags; None if there are none.
        headers: JSON text: the headers; None if there are none.
    """

    queue: str
    priority: float
    timeout: float | None
    delay_s: float = 0.0
    eta: datetime | None = None
    idempotency_key: str | None = None
    invocation_id: str | None = None
    workflow_id: str | None = None
    if_exists: IfExists = "return"
    idempotency_ttl: float | None = None
    tags: str | None = None
    headers: str | None = None

    @property
    def is_named(self) -> bool:
        """True if a second call with these options is the first."""
        return any(name is not None for name in (self.idempotency_key, self.invocation_id, self.workflow_id))

    def not_before(self, now: float) -> float:
        """Return seconds since the epoch before which it does not run, 0 for at once."""
        due = now + self.delay_s if self.delay_s > 0 else 0.0
        if self.eta is not None:
            due = max(due, self.eta.timestamp())
        return due if due > now else 0.0

    @classmethod
    def of(cls, conf: ConfigTask) -> CallOptions:
        """Return what the task says."""
        return cls(conf.queue, conf.priority, conf.timeout, tags=packed_tags(conf.tags))

    @classmethod
    def given(cls, conf: ConfigTask, options: CallOptionValues) -> CallOptions:
        """Return what a call says, over what its task says.

        Raises:
            TypeError: An option does not exist.
            ValueError: A value is not valid, or both `delay` and `eta` are given.
        """
        for name in options:
            if name not in CallOptionValues.__annotations__:
                known = CallOptionValues.__annotations__
                raise TypeError(unknown_setting(name, known, "the options of a call"))
        delay, eta = options.get("delay"), options.get("eta")
        if delay is not None and eta is not None:
            raise ValueError("give 'delay' or 'eta', not both")
        if eta is not None and not isinstance(eta, datetime):
            raise ValueError(f"eta={eta!r} is not a datetime")
        if eta is not None and eta.tzinfo is None:
            raise ValueError(f"eta={eta!r} has no time zone; use for example datetime.now(UTC)")
        return cls(
            _checked(conf, "queue", options.get("queue")),
            _checked(conf, "priority", options.get("priority")),
            _checked(conf, "timeout", _seconds(options.get("timeout"))),
            0.0 if delay is None else _valid("delay", _seconds(delay)),
            _in_utc(eta) if eta is not None else None,
            *_names(options.get("idempotency_key"), options.get("invocation_id"), options.get("workflow_id")),
            _policy(conf, options),
            _time_to_live(options),
            _tags(conf, options.get("tags")),
            _headers(options.get("headers")),
        )


def _tags(conf: ConfigTask, given: Mapping[str, str] | None) -> str | None:
    if given is None:
        return packed_tags(conf.tags)
    if isinstance(given, str):
        raise ValueError(f"tags={shown(given, 80)} is not a mapping of names to texts")
    try:
        own = tags_of(given)
        if len({**conf.tags, **own}) > MOST_TAGS:
            raise ValueError(f"with those of the task there are more than {MOST_TAGS}")
        return packed_tags({**conf.tags, **own})
    except ValueError as error:
        raise ValueError(f"tags={shown(given, 80)} is not valid: {error}") from None


def _headers(given: Mapping[str, str] | None) -> str | None:
    return None if given is None else packed_headers(check_headers(given))


def _time_to_live(options: CallOptionValues) -> float | None:
    given = options.get("idempotency_ttl")
    if given is None:
        return None
    if options.get("idempotency_key") is None:
        raise ValueError("'idempotency_ttl' needs an 'idempotency_key'")
    seconds = _seconds(given)
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < math.inf:
        raise ValueError(
            f"idempotency_ttl={shown(given, 80)} is not a positive number of seconds or timedelta"
        )
    return float(seconds)


def _policy(conf: ConfigTask, options: CallOptionValues) -> IfExists:
    policy, name = options.get("if_exists"), options.get("workflow_id")
    if policy is not None and policy not in get_args(IfExists):
        raise ValueError(f"if_exists={shown(policy, 80)} is not one of {', '.join(get_args(IfExists))}")
    if policy is not None and name is None:
        raise ValueError("'if_exists' needs a 'workflow_id'")
    if name is not None and not conf.force_new_workflow:
        raise ValueError("'workflow_id' is for the tasks of '@app.workflow'; for others use 'invocation_id'")
    return policy or "return"


def _names(key: Any, own_id: Any, name: Any) -> tuple[str | None, str | None, str | None]:
    if sum(each is not None for each in (key, own_id, name)) > 1:
        raise ValueError("give one of 'idempotency_key', 'invocation_id' and 'workflow_id'")
    if key is not None and not (isinstance(key, str) and key and is_storable(key)):
        raise ValueError(f"idempotency_key={shown(key, 80)} is not a text that can be stored, and not empty")
    for option, value in (("invocation_id", own_id), ("workflow_id", name)):
        if value is not None and not (isinstance(value, str) and _ID.fullmatch(value)):
            raise ValueError(
                f"{option}={shown(value, 80)} does not consist of 1 to 200 letters, digits, dots, dashes and "
                f"underscores"
            )
    return key, own_id, name


def _checked(conf: ConfigTask, name: str, value: Any) -> Any:
    """Return the value of an option, checked as the setting of that name is."""
    return getattr(conf, name) if value is None else _valid(name, value)


def _valid(name: str, value: Any) -> Any:
    if name != "queue" and isinstance(value, (str, bytes)):  # only the environment gives numbers as text
        raise ValueError(f"{name}={value!r} is not a number")
    if name == "queue" and not isinstance(value, str):
        raise ValueError(f"{name}={value!r} is not a string")
    try:
        return OPTION_TYPES[name].validate_python(value)
    except ValidationError as error:
        reasons = "; ".join(each["msg"].removeprefix("Value error, ") for each in error.errors())
        raise ValueError(f"{name}={value!r} is not valid: {reasons}") from None


def _in_utc(eta: datetime) -> datetime:
    try:
        return eta.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"eta={eta!r} is not a moment that can be stored") from None


def _seconds(value: float | timedelta | None) -> float | None:
    return value.total_seconds() if isinstance(value, timedelta) else value


def check_timeout(timeout_s: float | None) -> None:
    """Refuse a longest wait that is not a number of seconds.

    Raises:
        ValueError: It is not None, and not a number, or it is nan.
    """
    if timeout_s is None:
        return
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, (int, float)) or timeout_s != timeout_s:
        raise ValueError(f"timeout_s={timeout_s!r} is not a number of seconds")
