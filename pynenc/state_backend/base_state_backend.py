"""The interface of state backends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from pynenc.conf.base_config import PynencConfig
from pynenc.conf.config_state_backend import ConfigStateBackend
from pynenc.invocation.data import InvocationData, OutcomeData
from pynenc.invocation.state import outcome_id, recovery_outcome_id
from pynenc.plugins.component import DataComponent
from pynenc.state_backend.workflow_records import WORKFLOW_RECORDS, WorkflowRecords
from pynenc.storage.group import Group, Pending
from pynenc.storage.operations import Cursor, Index
from pynenc.storage.record_store import Lookup, RecordSpec, Remove, Save


class RunnerData(msgspec.Struct, frozen=True):
    """The identity of a runner, past or present.

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
    """Keeps what invocations are and what came of them.

    An author implements `write`, `read`, `find` and `purge`.
    """

    config_class: ClassVar[type[PynencConfig]] = ConfigStateBackend
    conf: ConfigStateBackend
    records = (
        RecordSpec(
            InvocationData, "invocation", (Index((), "created_at"), Index(("task_id",), "created_at"))
        ),
        RecordSpec(OutcomeData, "outcome"),
        RecordSpec(RunnerData, "runner"),
        *WORKFLOW_RECORDS,
    )

    def save_invocations(self, invocations: Sequence[InvocationData]) -> None:
        """Store invocations; one that is there already is left alone."""
        self.write([Save(each) for each in invocations])

    def stage_save_invocations(self, group: Group, invocations: Sequence[InvocationData]) -> None:
        """Save invocations as a step of a group."""
        self.stage_write(group, [Save(each) for each in invocations])

    def read_invocations(self, invocation_ids: Sequence[str]) -> list[InvocationData | None]:
        """Return invocations in order, None where there is none."""
        return self.read(InvocationData, invocation_ids)

    def stage_read_invocations(
        self, group: Group, invocation_ids: Sequence[str]
    ) -> Pending[list[InvocationData | None]]:
        """Read invocations as a step of a group."""
        return self.stage_read(group, InvocationData, invocation_ids)

    def find_invocations(
        self,
        task_id: str | None = None,
        since: float | None = None,
        until: float | None = None,
        limit: int = 100,
        after: Cursor | None = None,
    ) -> list[InvocationData]:
        """Return invocations, newest first.

        Args:
            task_id: Only those of this task.
            since: Created at this time or later, in seconds since the epoch.
            until: Created before this time.
            limit: The largest number to return.
            after: Continue behind this one (its `created_at` and id).
        """
        equals = {} if task_id is None else {"task_id": task_id}
        lookup = Lookup(InvocationData, equals, since, until, newest_first=True)
        return self.find(InvocationData, lookup, limit, after)

    def save_outcomes(self, outcomes: Sequence[OutcomeData]) -> None:
        """Store outcomes; one that is there already is left alone."""
        self.write([Save(each) for each in outcomes])

    def stage_save_outcomes(self, group: Group, outcomes: Sequence[OutcomeData]) -> None:
        """Save outcomes as a step of a group."""
        self.stage_write(group, [Save(each) for each in outcomes])

    def read_outcomes(self, outcome_ids: Sequence[str]) -> list[OutcomeData | None]:
        """Return outcomes in order, None where there is none."""
        return self.read(OutcomeData, outcome_ids)

    def stage_read_outcomes(
        self, group: Group, outcome_ids: Sequence[str]
    ) -> Pending[list[OutcomeData | None]]:
        """Read outcomes as a step of a group."""
        return self.stage_read(group, OutcomeData, outcome_ids)

    def delete(self, claims: Sequence[tuple[str, int]]) -> None:
        """Delete invocations with all their outcomes.

        Args:
            claims: Id and last claim number of each.
        """
        removes = [Remove(InvocationData, invocation_id) for invocation_id, _ in claims]
        for invocation_id, last in claims:
            keys = [outcome_id(invocation_id, claim) for claim in range(1, last + 1)]
            keys.append(recovery_outcome_id(invocation_id, last))
            removes += [Remove(OutcomeData, key) for key in keys]
        self.write(removes)

    def save_runners(self, runners: Sequence[RunnerData]) -> None:
        """Store who runners are; one that is there already is left alone."""
        self.write([Save(each) for each in runners])

    def read_runners(self, runner_ids: Sequence[str]) -> list[RunnerData | None]:
        """Return runners in order, None where there is none."""
        return self.read(RunnerData, runner_ids)
