"""Options of one call, given by `task.options(...)`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pynenc.conf.config_task import ConfigTask


@dataclass(frozen=True, slots=True)
class CallOptions:
    """Where, when and how long an invocation runs.

    Attributes:
        queue: Queue to go to.
        priority: Higher goes first.
        timeout: Seconds after which a run is asked to end, or None.
        delay_s: Not to run before this many seconds have passed.
        eta: Not to run before this moment (aware), or None.
    """

    queue: str
    priority: int
    timeout: float | None
    delay_s: float = 0.0
    eta: datetime | None = None

    def not_before(self, now: float) -> float:
        """Seconds since the epoch before which it does not run, 0 for at once."""
        due = now + self.delay_s if self.delay_s > 0 else 0.0
        if self.eta is not None:
            due = max(due, self.eta.timestamp())
        return due if due > now else 0.0

    @classmethod
    def of(cls, conf: ConfigTask) -> CallOptions:
        """What the task says."""
        return cls(conf.queue, conf.priority, conf.timeout)

    @classmethod
    def given(
        cls,
        conf: ConfigTask,
        delay: float | timedelta | None,
        eta: datetime | None,
        queue: str | None,
        priority: int | None,
        timeout: float | timedelta | None,
    ) -> CallOptions:
        """What a call says, over what its task says.

        Raises:
            ValueError: A value is out of bounds, or both `delay` and `eta` are given.
        """
        if delay is not None and eta is not None:
            raise ValueError("give 'delay' or 'eta', not both")
        if eta is not None and eta.tzinfo is None:
            raise ValueError(f"eta={eta!r} has no time zone; use for example datetime.now(UTC)")
        delay_s = _seconds(delay) or 0.0
        timeout_s = _seconds(timeout)
        if delay_s < 0:
            raise ValueError(f"delay={delay!r} is negative")
        if timeout_s is not None and timeout_s <= 0:
            raise ValueError(f"timeout={timeout!r} must be more than nothing")
        if queue == "":
            raise ValueError("a queue needs a name")
        return cls(
            conf.queue if queue is None else queue,
            conf.priority if priority is None else priority,
            conf.timeout if timeout_s is None else timeout_s,
            delay_s,
            eta.astimezone(UTC) if eta is not None else None,
        )


def _seconds(value: float | timedelta | None) -> float | None:
    return value.total_seconds() if isinstance(value, timedelta) else value
