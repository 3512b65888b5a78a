"""The contents of a trigger store, on top of three methods that store, read and find records."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence

from pynenc.storage.group import Group
from pynenc.storage.operations import Cursor, Index, Scalar
from pynenc.storage.record_store import (
    Amend,
    Lookup,
    RecordSpec,
    RecordStore,
    RecordWrite,
    Remove,
    Save,
    Wake,
    key_of,
    swap,
    upserts,
)
from pynenc.storage.subscription import Subscription
from pynenc.trigger.definition import StoredTrigger
from pynenc.trigger.records import (
    EventWait,
    Mark,
    MarkSwap,
    Occurrence,
    Part,
    RunState,
    TriggerProblem,
    TriggerRetry,
    TriggerRun,
)

OCCURRED = "trigger:occurred"
"""The channel that is notified when something may start tasks."""

DEFINED = "trigger:defined"
"""The channel that is notified when definitions have changed."""


class StoredDefinition(StoredTrigger, frozen=True):
    """A definition, and when it was saved, in seconds since the epoch."""

    saved_at: float = 0.0


_BY_TIME = Index((), "at")


def _plain(saved: StoredDefinition) -> StoredTrigger:
    return StoredTrigger(**{name: getattr(saved, name) for name in StoredTrigger.__struct_fields__})


class TriggerRecords(RecordStore):
    """Keeps definitions, occurrences, runs, parts, waits and marks."""

    records = (
        RecordSpec(StoredDefinition, "trigger", (Index((), "saved_at"), Index(("task_id",), "saved_at"))),
        RecordSpec(
            Occurrence,
            "occurrence",
            (Index(("is_open",), "at"), Index(("kind", "code"), "at"), Index(("kind",), "at")),
        ),
        RecordSpec(
            TriggerRun,
            "trigger_run",
            (Index(("trigger_id",), "at"), Index(("state",), "at"), _BY_TIME),
        ),
        RecordSpec(TriggerRetry, "trigger_retry", (_BY_TIME,)),
        RecordSpec(TriggerProblem, "trigger_problem", (_BY_TIME,)),
        RecordSpec(
            Part,
            "trigger_part",
            (Index(("slot", "run_id"), "at"), Index(("run_id",), "expires_at"), _BY_TIME),
        ),
        RecordSpec(Mark, "trigger_mark"),
        RecordSpec(EventWait, "trigger_wait", (Index(("code",), "at"), _BY_TIME)),
    )

    @abstractmethod
    def subscribe(self) -> Subscription:
        """Listen to `OCCURRED` and `DEFINED`."""

    @abstractmethod
    def now(self) -> float:
        """Return the time of the clock that all users of the store share, in seconds since the epoch."""

    # --- definitions -------------------------------------------------------------------

    def save_definitions(self, triggers: Sequence[StoredTrigger]) -> None:
        """Store definitions and wake evaluators; one that is there already is left alone."""
        saves: list[RecordWrite] = [Save(self._saved(each)) for each in triggers]
        self.write([*saves, Wake((DEFINED,))])

    def add_definition(self, trigger: StoredTrigger) -> bool:
        """Store a definition and wake evaluators; return False if one with its id is there already."""
        return self.write([Save(self._saved(trigger)), Wake((DEFINED,))])[0]

    def swap_definition(self, trigger: StoredTrigger) -> None:
        """Put a definition in the place of the one with the same id, and wake evaluators."""
        self.write(
            [
                Remove(StoredDefinition, trigger.trigger_id),
                Save(self._saved(trigger)),
                Wake((DEFINED,)),
            ]
        )

    def read_definitions(self, trigger_ids: Sequence[str]) -> list[StoredTrigger | None]:
        """Return definitions in order, None where there is none."""
        found = self.read(StoredDefinition, trigger_ids)
        return [None if each is None else _plain(each) for each in found]

    def _saved(self, trigger: StoredTrigger) -> StoredDefinition:
        fields = {name: getattr(trigger, name) for name in StoredTrigger.__struct_fields__}
        return StoredDefinition(**fields, saved_at=self.now())

    def notify_defined(self) -> None:
        """Have runners look at the definitions at once."""
        self.write([Wake((DEFINED,))])

    def find_definitions(self, task_id: str | None = None) -> list[StoredTrigger]:
        """Return the definitions of a task, or all of them."""
        lookup = Lookup(StoredDefinition, {} if task_id is None else {"task_id": task_id})
        return [_plain(each) for each in self.find_all(StoredDefinition, lookup)]

    def delete_definitions(self, trigger_ids: Sequence[str]) -> None:
        """Delete definitions, with what was wrong with them, and wake evaluators; absent ones are fine."""
        removes = [Remove(kind, each) for each in trigger_ids for kind in (StoredDefinition, TriggerProblem)]
        self.write([*removes, Wake((DEFINED,))])

    # --- occurrences -------------------------------------------------------------------

    def stage_occurrences(self, group: Group, occurrences: Sequence[Occurrence]) -> None:
        """Store occurrences and wake evaluators, as a step of a group; known ones are left alone."""
        self.stage_write(group, [*map(Save, occurrences), Wake((OCCURRED,))])

    def open_occurrences(self, limit: int, after: Cursor | None = None) -> list[Occurrence]:
        """Return those not evaluated yet, oldest first, behind `after` (its `at` and id) if given."""
        return self.find(Occurrence, Lookup(Occurrence, {"is_open": 1}), limit, after)

    def mark_evaluated(
        self, occurrence_ids: Sequence[str], runs: Sequence[TriggerRun], swaps: Sequence[MarkSwap] = ()
    ) -> list[bool]:
        """Note that occurrences were evaluated, and what came of it.

        Args:
            occurrence_ids: What was evaluated.
            runs: What came of it. A run is stored, or replaces one that is FIRING or RETRYING.
            swaps: Marks to change in the same request.

        Returns:
            Whether each of the marks was changed.
        """
        writes: list[RecordWrite] = [swap(before, after, ("text", "number")) for before, after in swaps]
        for run in runs:
            values: dict[str, Scalar] = {
                "state": run.state.value,
                "invocation_id": run.invocation_id,
                "reason": run.reason,
                "attempts": run.attempts,
                "retry_at": run.retry_at,
            }
            writes.append(Save(run))
            for open_state in (RunState.FIRING, RunState.RETRYING):
                writes.append(Amend(TriggerRun, run.run_id, values, {"state": open_state.value}))
            if run.state == RunState.RETRYING:
                writes += upserts([TriggerRetry(run.run_id, run.retry_at)], ("at",))
            elif run.attempts > 1:
                writes.append(Remove(TriggerRetry, run.run_id))
        writes += [Amend(Occurrence, each, {"is_open": 0}) for each in occurrence_ids]
        return self.write(writes)[: len(swaps)] if writes else []

    def settle(self, occurrence_ids: Sequence[str], runs: Sequence[TriggerRun]) -> None:
        """Do the same as `mark_evaluated`, under its former name."""
        self.mark_evaluated(occurrence_ids, runs)

    def find_occurrences(
        self, kind: str, code: str, since: float | None = None, limit: int = 100
    ) -> list[Occurrence]:
        """Return occurrences of a kind with a code, oldest first.

        Args:
            kind: Which kind.
            code: Which code.
            since: At this time or later, in seconds since the epoch.
            limit: The largest number to return.
        """
        return self.find(Occurrence, Lookup(Occurrence, {"kind": kind, "code": code}, low=since), limit)

    # --- runs --------------------------------------------------------------------------

    def find_retries(self, until: float | None, limit: int) -> list[TriggerRetry]:
        """Return the runs that are to be tried again until a moment, or ever, the first first."""
        high = None if until is None else math.nextafter(until, math.inf)
        return self.find(TriggerRetry, Lookup(TriggerRetry, high=high), limit)

    def delete_retries(self, run_ids: Sequence[str]) -> None:
        """Delete the notes that runs are to be tried again; absent ones are fine."""
        self.write([Remove(TriggerRetry, each) for each in run_ids])

    def delete_runs(self, run_ids: Sequence[str]) -> None:
        """Delete runs, and the notes that they are to be tried again; absent ones are fine."""
        self.write([Remove(kind, each) for each in run_ids for kind in (TriggerRun, TriggerRetry)])

    def save_runs(self, runs: Sequence[TriggerRun]) -> None:
        """Store runs; one that is there already is left alone."""
        self.write([Save(run) for run in runs])

    def read_runs(self, run_ids: Sequence[str]) -> list[TriggerRun | None]:
        """Return runs in order, None where there is none."""
        return self.read(TriggerRun, run_ids)

    def find_runs(
        self,
        trigger_id: str | None = None,
        state: RunState | str | None = None,
        limit: int = 100,
        after: Cursor | None = None,
    ) -> list[TriggerRun]:
        """Return runs of a trigger, or those in a state, newest first, behind `after` if given."""
        equals: dict[str, Scalar] = {}
        if trigger_id is not None:
            equals = {"trigger_id": trigger_id}
        elif state is not None:
            equals = {"state": RunState(state).value}
        return self.find(TriggerRun, Lookup(TriggerRun, equals, newest_first=True), limit, after)

    def count_runs(self, trigger_id: str, since: float) -> int:
        """Return how many runs of a trigger there were since a moment."""
        return self.count(Lookup(TriggerRun, {"trigger_id": trigger_id}, low=since))

    # --- problems ----------------------------------------------------------------------

    def note_problem(self, problem: TriggerProblem) -> None:
        """Note that something went wrong with a trigger, besides what had gone wrong before."""
        (known,) = self.read(TriggerProblem, [problem.trigger_id])
        writes: list[RecordWrite] = [Save(problem)]
        if known is not None:
            values: dict[str, Scalar] = {
                "error": problem.error,
                "count": known.count + problem.count,
                "at": problem.at,
            }
            writes = [Amend(TriggerProblem, problem.trigger_id, values)]
        self.write(writes)

    def find_problems(self) -> list[TriggerProblem]:
        """Return what is wrong with triggers, the oldest first."""
        return self.find_all(TriggerProblem, Lookup(TriggerProblem))

    def delete_problems(self, trigger_ids: Sequence[str]) -> None:
        """Forget what was wrong with triggers; absent ones are fine."""
        self.write([Remove(TriggerProblem, each) for each in trigger_ids])

    # --- parts of composites -----------------------------------------------------------

    def save_parts(self, parts: Sequence[Part]) -> None:
        """Store parts; one that is there already is left alone."""
        self.write([Save(part) for part in parts])

    def waiting_parts(self, slot: str, limit: int) -> list[Part]:
        """Return the parts of a slot that no run has used, oldest first."""
        return self.find(Part, Lookup(Part, {"slot": slot, "run_id": ""}), limit)

    def expired_parts(self, now: float, limit: int) -> list[Part]:
        """Return parts that have waited for the others too long, oldest first."""
        return self.find(Part, Lookup(Part, {"run_id": ""}, high=now), limit)

    def keep_parts(self, part_ids: Sequence[str], until: float) -> None:
        """Let parts wait for the others until a moment, in seconds since the epoch; absent ones are fine."""
        self.write([Amend(Part, each, {"expires_at": until}) for each in part_ids])

    def use_parts(self, uses: Sequence[tuple[str, str]]) -> list[bool]:
        """Let runs take parts, named by the part's id and the run's; those taken already stay so.

        Returns:
            Whether each belongs to its run now, or is not there any more.
        """
        done = self.write([Amend(Part, part, {"run_id": run}, {"run_id": ""}) for part, run in uses])
        refused = [use for use, was_done in zip(uses, done, strict=True) if not was_done]
        found = dict(zip(refused, self.read(Part, [part for part, _ in refused]), strict=True))
        return [
            was_done or (part := found[use]) is None or part.run_id == use[1]
            for use, was_done in zip(uses, done, strict=True)
        ]

    def free_parts(self, uses: Sequence[tuple[str, str]]) -> None:
        """Let parts wait again that a run had taken."""
        self.write([Amend(Part, part, {"run_id": ""}, {"run_id": run}) for part, run in uses])

    # --- bodies that wait for events ---------------------------------------------------

    def save_waits(self, waits: Sequence[EventWait]) -> None:
        """Store waits; one that is there already becomes active or not, as the new one is."""
        self.write(upserts(waits, ("is_active",)))

    def end_wait(self, wait_id: str, buffered: int) -> None:
        """Note that somebody waits no longer for now, and how many events are left for the next wait."""
        self.write([Amend(EventWait, wait_id, {"is_active": 0, "buffered": buffered})])

    def note_buffered(self, counts: Mapping[str, int]) -> None:
        """Note how many events were delivered for waits that were not taken yet."""
        self.write([Amend(EventWait, each, {"buffered": count}) for each, count in counts.items()])

    def find_waits(self, code: str) -> list[EventWait]:
        """Return who waits for events with a code, the longest first."""
        return self.find_all(EventWait, Lookup(EventWait, {"code": code}))

    def find_old_waits(self, before: float, limit: int, after: Cursor | None = None) -> list[EventWait]:
        """Return waits that began before a moment, the longest first."""
        return self.find(EventWait, Lookup(EventWait, high=before), limit, after)

    def delete_waits(self, wait_ids: Sequence[str]) -> None:
        """Delete waits; absent ones are fine."""
        self.write([Remove(EventWait, each) for each in wait_ids])

    # --- marks and old records -----------------------------------------------------------

    def read_marks(self, names: Sequence[str]) -> list[Mark | None]:
        """Return marks in order, None where there is none."""
        return self.read(Mark, names)

    def swap_marks(self, swaps: Sequence[MarkSwap], wake: bool = False) -> list[bool]:
        """Change marks that are as they were read, and wake evaluators if asked to.

        Returns:
            Whether each was changed.
        """
        writes: list[RecordWrite] = [swap(before, after, ("text", "number")) for before, after in swaps]
        return self.write([*writes, Wake((DEFINED,))] if wake else writes)[: len(swaps)]

    def forget(self, before: float, limit: int = 500) -> int:
        """Delete evaluated occurrences, runs, problems and parts of before a moment, so many of each.

        Returns:
            How many were deleted.
        """
        removes = [
            Remove(lookup.record_type, key_of(record))
            for lookup in (
                Lookup(Occurrence, {"is_open": 0}, high=before),
                Lookup(TriggerRun, high=before),
                Lookup(TriggerProblem, high=before),
                Lookup(Part, high=before),
            )
            for record in self.find(lookup.record_type, lookup, limit)
        ]
        if removes:
            self.write(removes)
        return len(removes)
