"""The interface of state backends."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import msgspec

from pynenc.conf.base_config import PynencConfig
from pynenc.conf.config_state_backend import ConfigStateBackend
from pynenc.invocation.data import InvocationData, OutcomeData
from pynenc.plugins.component import DataComponent
from pynenc.state_backend.workflow_records import WorkflowRecords
from pynenc.storage.group import Group, Pending
from pynenc.storage.operations import Cursor


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


class BaseStateBackend(DataComponent, WorkflowRecords):
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
