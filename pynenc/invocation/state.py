"""The status record of an invocation, and how it changes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeAlias

import msgspec

from pynenc.conf.queues import DEFAULT_QUEUE
from pynenc.invocation.status import InvocationStatus, StatusRecord, decide


class InvocationState(msgspec.Struct, frozen=True):
    """The record of an invocation: the truth about what happened to it.

    Attributes:
        invocation_id: Which one.
        task_id: Key of its task.
        status: Where it stands.
        runner_id: Its owner, if anybody.
        claim: How often it was claimed.
        changed_at: When the status was set, in seconds since the epoch.
        since: From when the status counts: `changed_at`, or `not_before` if that is later.
        not_before: Not to run before this time; 0 for at once.
        queue: Where its messages go.
        priority: Higher goes first.
        retries: How often the body asked for another run.
        recoveries: How often it was taken from a dead runner.
        outcome_id: For SUCCESS and FAILED: which outcome counts. Before that: the outcome of the last
            failed attempt, if one has failed.
        slot_key: The slot that it needs to run, if running concurrency is controlled.
        waits_for_slot: Whether it waits for the slot instead of ending when that is taken.
        registration_key: Under which an equal call finds it while it waits, if at all.
        cache_key: Under which its result is found by equal calls, if at all.
        cancel_requested: Whether its owner was asked to end it.
        waits_for: For PAUSED: the ids of what it waits for, as JSON. For RETRY: what it is parked
            for, in words; such a record is due at `not_before`, or when something wakes it.
        is_workflow: Whether it is the root of a workflow, whose body learns of its cancelling.
        generation: How often it has continued as new.
        has_steps: Whether its body has recorded steps.
        events: How many events were sent to it.
        blocked_since: Since when runners have met it whose code cannot run it, in seconds since the epoch;
            0 if the last that met it could.
        cancels_children: Whether all that it has started is cancelled with it.
        code_version: For a workflow: the version of the code with which it began, if that was told.
        is_pinned: Whether it may only run with that version.
        retried_as: The invocation that goes on from its record, if one does.
        group: The ids that were made together with its own, as text; see `IdSeries`.
        kept_until: Before this moment it is not deleted, in seconds since the epoch.
        failed_task: For FAILED: the key of its task.
        error_type: For FAILED, and RETRY after a failure: the name of the exception's class, without
            its module.
        workflow_status: For the root of a declared workflow: its status, but while it is PENDING.
        is_tagged: Whether it has tags.
    """

    invocation_id: str = msgspec.field(name="key")
    task_id: str
    status: InvocationStatus
    runner_id: str | None = None
    claim: int = 0
    changed_at: float = 0.0
    since: float = 0.0
    not_before: float = 0.0
    queue: str = DEFAULT_QUEUE
    priority: float = 0
    retries: int = 0
    recoveries: int = 0
    outcome_id: str | None = None
    slot_key: str | None = None
    waits_for_slot: int = 0
    registration_key: str | None = None
    cache_key: str | None = None
    cancel_requested: int = 0
    waits_for: str | None = None
    is_workflow: int = 0
    generation: int = 0
    has_steps: int = 0
    events: int = 0
    blocked_since: float = 0.0
    cancels_children: int = 0
    code_version: str | None = None
    is_pinned: int = 0
    retried_as: str | None = None
    group: str | None = None
    kept_until: float = 0.0
    failed_task: str | None = None
    error_type: str | None = None
    workflow_status: str | None = None
    is_tagged: int = 0

    @property
    def is_parked(self) -> bool:
        """True if it holds nothing and waits for a time or an event."""
        return self.status == InvocationStatus.RETRY and self.waits_for is not None

    @property
    def ends_by_itself(self) -> bool:
        """True if its body must run to end it when it is cancelled, because it has begun something."""
        return bool(self.is_workflow and self.claim)

    @property
    def record(self) -> StatusRecord:
        """The part that the state machine decides on."""
        moment = datetime.fromtimestamp(self.changed_at, UTC)
        return StatusRecord(self.status, self.runner_id, moment, self.claim)


class Change(msgspec.Struct, frozen=True):
    """A change of one record, made if status, owner and claim number are as in `current`.

    Attributes:
        current: The record as it was read.
        target: The record as it is to be.
        also: Further fields that must be as in `current`.
    """

    current: InvocationState
    target: InvocationState
    also: tuple[str, ...] = ()


class Registration(msgspec.Struct, frozen=True):
    """The insertion of a record, made if there is none with its id."""

    target: InvocationState


class Removal(msgspec.Struct, frozen=True):
    """The deletion of a record, made if status, owner and claim number are as in `current`."""

    current: InvocationState


StateChange: TypeAlias = Change | Registration | Removal


class ChangeOutcome(msgspec.Struct, frozen=True):
    """The outcome of a change.

    Attributes:
        applied: Whether the record was changed.
        status: If not: its status, or None if there is no such record.
        runner_id: If not: its owner.
        claim: If not: its claim number.
    """

    applied: bool
    status: InvocationStatus | None = None
    runner_id: str | None = None
    claim: int = 0


class HistoryEntry(msgspec.Struct, frozen=True):
    """One status that an invocation had.

    Attributes:
        status: The status.
        timestamp: When it was set (UTC, aware).
        runner_id: Who set it, if a runner did.
        claim: The claim number then.
    """

    status: InvocationStatus
    timestamp: datetime
    runner_id: str | None
    claim: int


KEPT_ATTEMPTS = 20
"""The failures of so many claims are kept, and that of the last."""

WHOLE_HISTORY = 100
"""Up to which claim number every status goes into the history."""


def is_in_history(claim: int) -> bool:
    """Return whether the history shows what happened under a claim that is not the last.

    All claims up to `WHOLE_HISTORY`; then every second, from twice as many every fourth, and so on, so
    that the history of a body which is parked and woken for years stays small.
    """
    return claim < WHOLE_HISTORY or claim % (1 << (claim // WHOLE_HISTORY).bit_length()) == 0


def changed(
    state: InvocationState,
    wanted: InvocationStatus,
    runner_id: str | None,
    now: float,
    **fields: float | str | None,
) -> Change:
    """Return the change of a record that the state machine allows.

    Raises:
        InvocationStatusError: It does not.
    """
    owner, claim = decide(state.status, state.runner_id, state.claim, wanted, runner_id)
    not_before = float(fields.get("not_before", state.not_before) or 0.0)
    if wanted != InvocationStatus.PENDING:  # claimed by what the message tells, which is not all of it
        fields.setdefault("error_type", None)
        fields["workflow_status"] = wanted.value if state.is_workflow else None
    target = msgspec.structs.replace(
        state,
        status=wanted,
        runner_id=owner,
        claim=claim,
        changed_at=now,
        since=max(now, not_before),
        failed_task=state.task_id if wanted == InvocationStatus.FAILED else None,
        **fields,
    )
    return Change(state, target)


def is_done(change: Change, reply: ChangeOutcome) -> bool:
    """Return whether the record is as wanted already: the reply to an earlier try was lost.

    To be asked only by who holds the claim, for then nobody else can have made the change. A new claim
    is not of that kind: a second message for it must not make it run twice.
    """
    target = change.target
    wanted = (target.status, target.runner_id, target.claim)
    return (reply.status, reply.runner_id, reply.claim) == wanted


def outcome_id(invocation_id: str, claim: int) -> str:
    """Return the id of the outcome of one claim."""
    return f"{invocation_id}:{claim}"


def claim_of_outcome(outcome_id: str) -> int:
    """Return the number of the claim whose outcome an id names; 0 if it is of another form."""
    number = outcome_id.rpartition(":")[2]
    return int(number) if number.isascii() and number.isdecimal() else 0


def is_kept_attempt(claim: int) -> bool:
    """Return whether the failure of a claim is kept although a later claim has ended, too."""
    return claim <= KEPT_ATTEMPTS


def recovery_outcome_id(invocation_id: str, claim: int) -> str:
    """Return the id of the outcome that recovery gives to an invocation whose runner is gone.

    The id differs from that of the claim, which the lost runner may still write.
    """
    return f"{invocation_id}:{claim}:recovery"
