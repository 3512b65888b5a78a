"""The interface of state backends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import msgspec

from pynenc.conf.base_config import PynencConfig
from pynenc.conf.config_state_backend import ConfigStateBackend
from pynenc.conf.tags import tag_texts
from pynenc.invocation.data import InvocationData, OutcomeData
from pynenc.invocation.packed_text import value_ids_in
from pynenc.invocation.state import KEPT_ATTEMPTS, outcome_id, recovery_outcome_id
from pynenc.plugins.component import DataComponent
from pynenc.state_backend.action_records import ACTION_RECORDS
from pynenc.state_backend.alert_records import ALERT_RECORDS
from pynenc.state_backend.count_records import COUNT_RECORDS
from pynenc.state_backend.failure_records import FAILURE_RECORDS
from pynenc.state_backend.large_values import LARGE_VALUE_RECORDS, LargeValueUse
from pynenc.state_backend.log_records import LOG_RECORDS
from pynenc.state_backend.progress_records import PROGRESS_RECORDS, ProgressData
from pynenc.state_backend.workflow_records import (
    STEP,
    WORKFLOW_RECORDS,
    WORKFLOW_VALUE,
    Step,
    WorkflowRecords,
    WorkflowValue,
)
from pynenc.storage.group import Group, Pending
from pynenc.storage.operations import Cursor, Index
from pynenc.storage.record_store import Amend, Lookup, RecordSpec, Remove, Save, upserts
from pynenc.storage.records import may_be_unreadable
from pynenc.storage.sealing import SEALED

_MOST_CLAIMS = 1000
INVOCATION, OUTCOME = "invocation", "outcome"
"""Names of tables."""


DRAIN = "drain"
"""The wish that a runner claims nothing more."""


class RunnerData(msgspec.Struct, frozen=True):
    """The identity of a runner, past or present.

    Attributes:
        runner_id: Its id.
        runner_cls: Class name, `ExternalRunner` for plain clients.
        pid: Process id.
        hostname: Machine.
        parent_id: The runner that started it, if any.
        started_at: Seconds since the epoch.
        seen_at: When it was last known to be in use, in seconds since the epoch.
        queues: JSON text: the queues that it consumes; empty if that is not known.
        tasks: JSON text: the tasks that it knew when it started; empty if that is not known.
        code_version: The version of its code, if that was told.
        wish: `DRAIN` if it was asked to claim nothing more, otherwise empty.
    """

    runner_id: str = msgspec.field(name="key")
    runner_cls: str
    pid: int
    hostname: str
    parent_id: str | None
    started_at: float
    seen_at: float = 0.0
    queues: str = ""
    tasks: str = ""
    code_version: str | None = None
    wish: str = ""

    @property
    def is_draining(self) -> bool:
        """True if it was asked to claim nothing more."""
        return self.wish == DRAIN


class Tag(msgspec.Struct, frozen=True):
    """A tag of an invocation.

    Attributes:
        tag_id: The tag and the invocation.
        tag: The name and the value, as `name=value`.
        invocation_id: Whose.
        at: When the invocation was made, in seconds since the epoch.
    """

    tag_id: str = msgspec.field(name="key")
    tag: str
    invocation_id: str
    at: float


def _tags(data: InvocationData) -> list[Tag]:
    return [
        Tag(f"{text}/{data.invocation_id}", text, data.invocation_id, data.created_at)
        for text in tag_texts(data.tags)
    ]


def tag_saves(invocations: Sequence[InvocationData]) -> list[Save]:
    """Return the writes that make invocations be found by their tags."""
    return [Save(tag) for each in invocations if each.tags for tag in _tags(each)]


_REFERRING: dict[str, tuple[type[msgspec.Struct], str]] = {
    INVOCATION: (InvocationData, "arguments"),
    OUTCOME: (OutcomeData, "payload"),
    STEP: (Step, "payload"),
    WORKFLOW_VALUE: (WorkflowValue, "payload"),
}
"""The tables whose records refer to large values, and the field in which they do."""


class BaseStateBackend(DataComponent, WorkflowRecords):
    """Keeps what invocations are and what came of them.

    An author implements `write`, `read`, `find` and `purge`.
    """

    config_class: ClassVar[type[PynencConfig]] = ConfigStateBackend
    conf: ConfigStateBackend
    records = (
        RecordSpec(
            InvocationData,
            INVOCATION,
            (
                Index((), "created_at"),
                Index(("task_id",), "created_at"),
                Index(("parent_invocation_id",), "created_at", is_sparse=True),
                Index(("family",), "created_at", is_sparse=True),
                Index(("workflow_kind",), "created_at", is_sparse=True),
            ),
        ),
        RecordSpec(OutcomeData, OUTCOME),
        RecordSpec(RunnerData, "runner", (Index((), "seen_at"),)),
        RecordSpec(Tag, "tag", (Index(("tag",), "at"),)),
        *WORKFLOW_RECORDS,
        *LARGE_VALUE_RECORDS,
        *COUNT_RECORDS,
        *ALERT_RECORDS,
        *LOG_RECORDS,
        *FAILURE_RECORDS,
        *ACTION_RECORDS,
        *PROGRESS_RECORDS,
    )

    def save_invocations(self, invocations: Sequence[InvocationData]) -> None:
        """Store invocations; one that is there already is left alone."""
        self.note_uses(INVOCATION, invocations, "arguments")
        self.write([*(Save(each) for each in invocations), *tag_saves(invocations)])

    def stage_save_invocations(self, group: Group, invocations: Sequence[InvocationData]) -> None:
        """Save invocations as a step of a group."""
        self.note_uses(INVOCATION, invocations, "arguments", group)
        self.stage_write(group, [*(Save(each) for each in invocations), *tag_saves(invocations)])

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

    def pages_of_children(self, invocation_id: str, size: int = 200) -> Iterator[list[InvocationData]]:
        """Return what the body of an invocation has submitted, oldest first, in pages.

        Args:
            invocation_id: Whose children.
            size: The largest number on a page.
        """
        lookup = Lookup(InvocationData, {"parent_invocation_id": invocation_id})
        after: Cursor | None = None
        while page := self.find(InvocationData, lookup, size, after):
            yield page
            if len(page) < size:
                return
            after = Cursor(page[-1].created_at, page[-1].invocation_id)

    def find_tagged(
        self, tag: str, since: float | None, until: float | None, limit: int, after: Cursor | None = None
    ) -> list[Tag]:
        """Return the uses of a tag, given as `name=value`, by invocations made in a time, newest first."""
        return self.find(Tag, Lookup(Tag, {"tag": tag}, since, until, newest_first=True), limit, after)

    def delete_tags(self, invocation_ids: Sequence[str]) -> None:
        """Make invocations that are still stored be found by their tags no more."""
        if invocation_ids:
            known = self.read_invocations(invocation_ids)
            removes = [Remove(Tag, tag.tag_id) for each in known if each is not None for tag in _tags(each)]
            self.write_many(removes)

    def save_outcomes(self, outcomes: Sequence[OutcomeData]) -> None:
        """Store outcomes; one that is there already is left alone."""
        self.note_uses(OUTCOME, outcomes)
        self.write([Save(each) for each in outcomes])

    def stage_save_outcomes(self, group: Group, outcomes: Sequence[OutcomeData]) -> None:
        """Save outcomes as a step of a group."""
        self.note_uses(OUTCOME, outcomes, group=group)
        self.stage_write(group, [Save(each) for each in outcomes])

    def read_outcomes(self, outcome_ids: Sequence[str]) -> list[OutcomeData | None]:
        """Return outcomes in order, None where there is none."""
        return self.read(OutcomeData, outcome_ids)

    def stage_read_outcomes(
        self, group: Group, outcome_ids: Sequence[str]
    ) -> Pending[list[OutcomeData | None]]:
        """Read outcomes as a step of a group."""
        return self.stage_read(group, OutcomeData, outcome_ids)

    def delete_outcomes(self, outcome_ids: Sequence[str]) -> None:
        """Delete outcomes; absent ones are fine."""
        self.write([Remove(OutcomeData, each) for each in outcome_ids])

    def delete(self, claims: Sequence[tuple[str, int]]) -> None:
        """Delete invocations with the outcomes of their first and last claims, of which the others have none.

        Args:
            claims: Id and last claim number of each.
        """
        removes = [Remove(InvocationData, invocation_id) for invocation_id, _ in claims]
        for invocation_id, last in claims:
            first = max(1, last - _MOST_CLAIMS)
            with_outcomes = [*range(1, min(first, KEPT_ATTEMPTS + 1)), *range(first, last + 1)]
            keys = [outcome_id(invocation_id, claim) for claim in with_outcomes]
            keys.append(recovery_outcome_id(invocation_id, last))
            removes += [Remove(OutcomeData, key) for key in keys]
        self.write_many(removes)

    def find_unneeded_uses(self, uses: Sequence[LargeValueUse]) -> list[LargeValueUse]:
        """Return those uses of large values whose record is gone, or refers to something else now.

        A record that is there and cannot be read counts as one that refers.
        """
        unneeded: list[LargeValueUse] = []
        for kind, (record_type, text) in _REFERRING.items():
            some = [use for use in uses if use.kind == kind]
            records = self.read(record_type, [use.record_key for use in some]) if some else []
            for use, record in zip(some, records, strict=True):
                if record is None:
                    is_needed = may_be_unreadable(kind, use.record_key)
                else:
                    stored = getattr(record, text)
                    is_needed = stored.startswith(SEALED) or use.value_id in value_ids_in(stored)
                if not is_needed:
                    unneeded.append(use)
        return unneeded

    def save_runners(self, runners: Sequence[RunnerData]) -> None:
        """Store who runners are; of one that is there already only when it was last in use."""
        self.write(upserts(runners, ("seen_at",)))

    def set_wish(self, runner_id: str, wish: str) -> None:
        """Note what a runner is asked to do; nothing if it is not stored."""
        self.write([Amend(RunnerData, runner_id, {"wish": wish})])

    def find_runners(self, seen_before: float, limit: int, after: Cursor | None = None) -> list[RunnerData]:
        """Return runners last seen before a moment, the longest ago first."""
        return self.find(RunnerData, Lookup(RunnerData, high=seen_before), limit, after)

    def note_seen(self, runner_ids: Sequence[str], moment: float) -> None:
        """Note that runners were in use at a moment, in seconds since the epoch."""
        self.write([Amend(RunnerData, each, {"seen_at": moment}) for each in runner_ids])

    def delete_progress(self, invocation_ids: Sequence[str]) -> None:
        """Delete the reports of invocations on how far they have come; absent ones are fine."""
        self.write([Remove(ProgressData, each) for each in invocation_ids])

    def delete_runners(self, runner_ids: Sequence[str]) -> None:
        """Delete runners; absent ones are fine."""
        self.write([Remove(RunnerData, each) for each in runner_ids])

    def read_runners(self, runner_ids: Sequence[str]) -> list[RunnerData | None]:
        """Return runners in order, None where there is none."""
        return self.read(RunnerData, runner_ids)
