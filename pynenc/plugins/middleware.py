"""The things that the hooks of middleware are about."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from pynenc.invocation.status import InvocationStatus

End: TypeAlias = Literal["returned", "raised", "parked", "cancelled"]


@dataclass(slots=True)
class Submission:
    """A call that is about to be stored.

    Attributes:
        invocation_id: The id of its invocation.
        task_id: Its task, as it is stored.
        workflow_id: The workflow that it belongs to.
        parent_id: The invocation whose body submits it, if one does.
        queue: Its queue.
        headers: Its headers, which a hook may change.
    """

    invocation_id: str
    task_id: str
    workflow_id: str
    parent_id: str | None
    queue: str
    headers: MutableMapping[str, str]


@dataclass(slots=True)
class Execution:
    """A run of a body.

    Attributes:
        invocation_id: Its invocation.
        task_id: Its task, as it is stored.
        workflow_id: The workflow that it belongs to.
        parent_id: The invocation whose body submitted it, if one did.
        queue: Its queue.
        attempt: The number of the attempt, from 1.
        runner_id: Who executes it.
        created_at: The time at which it was submitted, in seconds since the epoch.
        headers: Its headers.
        end: The way in which it ended; None while it runs.
        error: The exception that it raised, if it did.
        claim: The number of its claim: 1 for the first run of all, more for a later attempt, and for a run
            after parking or after its runner was lost.
    """

    invocation_id: str
    task_id: str
    workflow_id: str
    parent_id: str | None
    queue: str
    attempt: int
    runner_id: str
    created_at: float
    headers: Mapping[str, str] = field(default_factory=dict)
    end: End | None = None
    error: BaseException | None = None
    claim: int = 1


@dataclass(frozen=True, slots=True)
class StepRun:
    """A step of a workflow that really runs, and is not read from the record.

    Attributes:
        name: Its name.
    """

    name: str


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A change of a status that was applied.

    Attributes:
        invocation_id: The invocation.
        task_id: Its task, as it is stored.
        before: Its status before; None if it is new.
        after: Its status now.
        claim: The number of its claim.
        actor_id: The runner or client that made the change.
        at: The time of the change, in seconds since the epoch.
    """

    invocation_id: str
    task_id: str
    before: InvocationStatus | None
    after: InvocationStatus
    claim: int
    actor_id: str | None
    at: float


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that a rule has found to be wrong, or right again.

    Attributes:
        alert_id: The rule and the subject.
        rule: The rule.
        subject: What it is about.
        is_firing: Whether it is wrong; False if it is over.
        text: The finding in words.
        value: The value that was found.
        since: Since when it is or was wrong, in seconds since the epoch.
        at: The time at which this is told.
    """

    alert_id: str
    rule: str
    subject: str
    is_firing: bool
    text: str
    value: float
    since: float
    at: float
