"""The interface of state backends."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import msgspec

from pynenc.conf.base_config import PynencConfig
from pynenc.conf.config_state_backend import ConfigStateBackend
from pynenc.plugins.component import Component
from pynenc.state_backend.workflow_records import WorkflowRecords
from pynenc.storage.group import Group, Pending
from pynenc.storage.operations import Cursor


class InvocationData(msgspec.Struct, frozen=True):
    """What an invocation is; written once and never changed.

    Attributes:
        invocation_id: Its id.
        task_id: Key of its task.
        arguments: Serialized arguments: a JSON object of parameter name to packed text.
        created_at: Seconds since the epoch.
        workflow_id: The workflow that it belongs to.
        workflow_type: Key of the task at the root of that workflow.
        parent_workflow_id: The workflow that started that one, if any.
        parent_invocation_id: The invocation whose body submitted this one, if any.
        submitter_id: The runner (or external process) that submitted it.
        timeout: Seconds after which a run is asked to end, or None.
        triggered_by: The run of a trigger that started it, if one did.
        trigger_depth: How many triggers in a row led to it.
    """

    invocation_id: str = msgspec.field(name="key")
    task_id: str
    arguments: str
    created_at: float
    workflow_id: str
    workflow_type: str
    parent_workflow_id: str | None
    parent_invocation_id: str | None
    submitter_id: str
    timeout: float | None = None
    triggered_by: str | None = None
    trigger_depth: int | None = None


class OutcomeData(msgspec.Struct, frozen=True):
    """What came of one claim of an invocation.

    Attributes:
        outcome_id: Id of the invocation and number of the claim, see `outcome_id`.
        is_error: Whether `payload` is an exception.
        payload: The packed, serialized result or exception.
    """

    outcome_id: str = msgspec.field(name="key")
    is_error: int
    payload: str


class RunnerData(msgspec.Struct, frozen=True):
    """Who a runner is or was.

    Attributes:
        runner_id: Its id.
        runner_cls: Class name, `ExternalRunner` for plain clients.
        pid: Process id.
        hostname: Machine.
        parent_id: The runner that started it, if any.
        started_at: Seconds since the epoch.
    """

    runner_id: str = msgspec.field(name="key")
    runner_cls: str
    pid: int
    hostname: str
    parent_id: str | None
    started_at: float


def outcome_id(invocation_id: str, claim: int) -> str:
    """The id of what came of one claim."""
    return f"{invocation_id}:{claim}"


def recovery_outcome_id(invocation_id: str, claim: int) -> str:
    """The id of the outcome that recovery gives to an invocation whose runner is gone.

    It differs from that of the claim, which the lost runner may still write.
    """
    return f"{invocation_id}:{claim}:recovery"


class BaseStateBackend(Component, WorkflowRecords):
    """Keeps what invocations are and what came of them."""

    config_class: ClassVar[type[PynencConfig]] = ConfigStateBackend
    conf: ConfigStateBackend

    @abstractmethod
    def save_invocations(self, invocations: Sequence[InvocationData]) -> None:
        """Store invocations; one that is there already is left alone."""

    @abstractmethod
    def read_invocations(self, invocation_ids: Sequence[str]) -> list[InvocationData | None]:
        """Invocations in order, None where there is none."""

    @abstractmethod
    def find_invocations(
        self,
        task_id: str | None = None,
        since: float | None = None,
        until: float | None = None,
        limit: int = 100,
        after: Cursor | None = None,
    ) -> list[InvocationData]:
        """Invocations, newest first.

        Args:
            task_id: Only those of this task.
            since: Created at this time or later, in seconds since the epoch.
            until: Created before this time.
            limit: Most to return.
            after: Continue behind this one (its `created_at` and id).
        """

    @abstractmethod
    def save_outcomes(self, outcomes: Sequence[OutcomeData]) -> None:
        """Store outcomes; one that is there already is left alone."""

    @abstractmethod
    def read_outcomes(self, outcome_ids: Sequence[str]) -> list[OutcomeData | None]:
        """Outcomes in order, None where there is none."""

    @abstractmethod
    def delete(self, claims: Sequence[tuple[str, int]]) -> None:
        """Delete invocations with all their outcomes.

        Args:
            claims: Id and last claim number of each.
        """

    @abstractmethod
    def save_runners(self, runners: Sequence[RunnerData]) -> None:
        """Store who runners are; one that is there already is left alone."""

    @abstractmethod
    def read_runners(self, runner_ids: Sequence[str]) -> list[RunnerData | None]:
        """Runners in order, None where there is none."""

    @abstractmethod
    def purge(self) -> None:
        """Delete everything of this app."""

    # A state backend on a storage overrides these, so that they travel with the writes of others.

    def stage_save_invocations(self, group: Group, invocations: Sequence[InvocationData]) -> None:
        """Save invocations as a step of a group."""
        group.call(lambda: self.save_invocations(invocations))

    def stage_read_invocations(
        self, group: Group, invocation_ids: Sequence[str]
    ) -> Pending[list[InvocationData | None]]:
        """Read invocations as a step of a group."""
        return group.call(lambda: self.read_invocations(invocation_ids))

    def stage_save_outcomes(self, group: Group, outcomes: Sequence[OutcomeData]) -> None:
        """Save outcomes as a step of a group."""
        group.call(lambda: self.save_outcomes(outcomes))

    def stage_read_outcomes(
        self, group: Group, outcome_ids: Sequence[str]
    ) -> Pending[list[OutcomeData | None]]:
        """Read outcomes as a step of a group."""
        return group.call(lambda: self.read_outcomes(outcome_ids))
