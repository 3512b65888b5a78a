"""The state machine of an invocation.

`change_status` alone decides whether a status may change. It is pure: storages compare and
set what it returns and decide nothing themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType

from pynenc.exceptions import StatusOwnershipError, StatusTransitionError


class InvocationStatus(StrEnum):
    """The statuses of an invocation.

    The flags follow from `RULES`, the one table of statuses.

    Attributes:
        final: Whether nothing follows: the invocation has ended.
        is_available: Whether a runner may claim the invocation.
        needs_owner: Whether only the owner may leave the status.
        has_outcome: Whether it comes with a result or an exception.
        is_passing: Whether the step that follows is made by whoever finds the record in it.
        counts_as_waiting: Whether the invocation has still to run: it is available or blocked.
    """

    final: bool
    is_available: bool
    needs_owner: bool
    has_outcome: bool
    is_passing: bool
    counts_as_waiting: bool

    REGISTERED = "registered"
    REROUTED = "rerouted"
    CONCURRENCY_CONTROLLED = "concurrency_controlled"
    CONCURRENCY_CONTROLLED_FINAL = "concurrency_controlled_final"
    PENDING = "pending"
    PENDING_RECOVERY = "pending_recovery"
    RUNNING = "running"
    PAUSED = "paused"
    RUNNING_RECOVERY = "running_recovery"
    KILLED = "killed"
    RETRY = "retry"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"

    def is_final(self) -> bool:
        """Return whether nothing follows: the invocation has ended."""
        return self.final

    def is_available_for_run(self) -> bool:
        """Return whether a runner may claim the invocation."""
        return self.is_available

    def can_transition_to(self, wanted: InvocationStatus) -> bool:
        """Return whether the state machine has an edge from this status to `wanted`."""
        return wanted in RULES[self].targets


@dataclass(frozen=True, slots=True)
class StatusRule:
    """The rules of the state machine for one status.

    Attributes:
        meaning: One line for people.
        targets: Statuses that may follow.
        acquires: Entering it makes the runner the owner.
        owned: Only the owner may leave it (except to an overriding status).
        overrides: It may be entered by anybody, whoever owns the record.
        has_outcome: It comes with a result or an exception.
        is_passing: Whoever finds a record in it makes the step that follows.
        blocked: It waits for a slot.
    """

    meaning: str
    targets: frozenset[InvocationStatus]
    acquires: bool = False
    owned: bool = False
    overrides: bool = False
    has_outcome: bool = False
    is_passing: bool = False
    blocked: bool = False

    @property
    def ownership(self) -> str:
        """The status's rule about ownership, in words."""
        if self.acquires:
            return "acquired; only the owner may change it"
        if self.owned:
            return "only the owner"
        return "released; overrides the owner" if self.overrides else "released"


_S = InvocationStatus
_FROM_QUEUE = frozenset(
    {_S.PENDING, _S.CONCURRENCY_CONTROLLED, _S.CONCURRENCY_CONTROLLED_FINAL, _S.CANCELLED}
)

INITIAL_STATUSES = frozenset({_S.REGISTERED})
"""Statuses that a new record may start with."""

RULES: Mapping[InvocationStatus, StatusRule] = MappingProxyType(
    {
        _S.REGISTERED: StatusRule("accepted, queued", _FROM_QUEUE),
        _S.REROUTED: StatusRule("queued again", _FROM_QUEUE),
        _S.CONCURRENCY_CONTROLLED: StatusRule(
            "blocked now, will be queued again", frozenset({_S.REROUTED, _S.CANCELLED}), blocked=True
        ),
        _S.CONCURRENCY_CONTROLLED_FINAL: StatusRule("blocked, never runs", frozenset()),
        _S.PENDING: StatusRule(
            "claimed by a runner",
            frozenset(
                {
                    _S.RUNNING,
                    _S.REROUTED,
                    _S.KILLED,
                    _S.CONCURRENCY_CONTROLLED,
                    _S.CONCURRENCY_CONTROLLED_FINAL,
                    _S.PENDING_RECOVERY,
                    _S.CANCELLED,
                }
            ),
            acquires=True,
            owned=True,
        ),
        _S.PENDING_RECOVERY: StatusRule(
            "claimed too long, being taken back",
            frozenset({_S.REROUTED}),
            overrides=True,
            is_passing=True,
        ),
        _S.RUNNING: StatusRule(
            "body executes",
            frozenset(
                {
                    _S.PAUSED,
                    _S.SUCCESS,
                    _S.FAILED,
                    _S.RETRY,
                    _S.KILLED,
                    _S.RUNNING_RECOVERY,
                    _S.CANCELLED,
                }
            ),
            owned=True,
        ),
        _S.PAUSED: StatusRule(
            "waits for another invocation",
            frozenset({_S.RUNNING, _S.KILLED, _S.RUNNING_RECOVERY, _S.CANCELLED}),
            owned=True,
        ),
        _S.RUNNING_RECOVERY: StatusRule(
            "its runner is gone",
            frozenset({_S.REROUTED, _S.FAILED}),
            overrides=True,
            is_passing=True,
        ),
        _S.KILLED: StatusRule("stopped by its runner's shutdown", frozenset({_S.REROUTED}), is_passing=True),
        _S.RETRY: StatusRule("body raised a retriable error, or is parked until it is due", _FROM_QUEUE),
        _S.SUCCESS: StatusRule("finished with a result", frozenset(), has_outcome=True),
        _S.FAILED: StatusRule("finished with an exception", frozenset(), has_outcome=True),
        _S.CANCELLED: StatusRule("ended on request", frozenset()),
    }
)
"""The whole state machine. The diagram in the manual is generated from it."""

for _status, _rule in RULES.items():
    _status.final = not _rule.targets
    _status.is_available = _S.PENDING in _rule.targets
    _status.needs_owner = _rule.owned
    _status.has_outcome = _rule.has_outcome
    _status.is_passing = _rule.is_passing
    _status.counts_as_waiting = _status.is_available or _rule.blocked


@dataclass(frozen=True, slots=True)
class StatusRecord:
    """The status of an invocation at one moment, and its owner.

    Attributes:
        status: Where it stands.
        runner_id: Its owner, or None where nobody owns it.
        timestamp: When it got this status (UTC, aware).
        claim: How often it has been claimed; guards the owner's writes beside the owner's id.
    """

    status: InvocationStatus
    runner_id: str | None
    timestamp: datetime
    claim: int = 0


def initial_record(now: datetime | None = None) -> StatusRecord:
    """Return the record of an invocation that has just been accepted."""
    return StatusRecord(_S.REGISTERED, None, now or datetime.now(UTC))


def change_status(
    current: StatusRecord | None,
    wanted: InvocationStatus,
    runner_id: str | None,
    now: datetime | None = None,
) -> StatusRecord:
    """Decide a status change.

    Args:
        current: The record as it stands, or None for an invocation without one.
        wanted: The status to go to.
        runner_id: Who asks; needed where the current status is owned or the wanted one acquires.
        now: Time of the change, by default the local clock.

    Returns:
        The record to set if the current one is still in place.

    Raises:
        StatusTransitionError: The state machine has no such edge.
        StatusOwnershipError: The record belongs to another runner, or a claim names no runner.
    """
    moment = now or datetime.now(UTC)
    if current is None:
        if wanted not in INITIAL_STATUSES:
            raise StatusTransitionError("(none)", wanted, INITIAL_STATUSES)
        return StatusRecord(wanted, None, moment)
    owner, claim = decide(current.status, current.runner_id, current.claim, wanted, runner_id)
    return StatusRecord(wanted, owner, moment, claim)


def decide(
    status: InvocationStatus,
    owner: str | None,
    claim: int,
    wanted: InvocationStatus,
    runner_id: str | None,
) -> tuple[str | None, int]:
    """Decide a status change of a record that exists.

    Args:
        status: The status as it stands.
        owner: Its owner.
        claim: Its claim number.
        wanted: The status to go to.
        runner_id: Who asks; needed where the current status is owned or the wanted one acquires.

    Returns:
        Owner and claim number after the change.

    Raises:
        StatusTransitionError: The state machine has no such edge.
        StatusOwnershipError: The record belongs to another runner, or a claim names no runner.
    """
    rule, target = RULES[status], RULES[wanted]
    if wanted not in rule.targets:
        raise StatusTransitionError(status, wanted, rule.targets)
    if rule.owned and not target.overrides and owner != runner_id:
        raise StatusOwnershipError(status, wanted, owner, runner_id)
    if target.acquires:
        if runner_id is None:
            raise StatusOwnershipError(status, wanted, owner, runner_id)
        return runner_id, claim + 1
    return owner if target.owned else None, claim
