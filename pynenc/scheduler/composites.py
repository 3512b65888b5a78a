"""Composites: triggers whose conditions must all be met.

Each occurrence that meets one condition is kept as a part. Parts of all conditions, the oldest of
each, make a run. The run is written first, then it takes its parts; only a run that got all of them
fires. So each part is used once, even if two evaluators pair them at the same time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

import msgspec

from pynenc.identifiers.ids import derived_id
from pynenc.lifecycle.components import Components
from pynenc.scheduler.catalog import TriggerCatalog
from pynenc.scheduler.evidence import Evidence, gather, match_conditions
from pynenc.scheduler.firing import Firing, MatchedTrigger, planned
from pynenc.trigger.base_trigger import BaseTrigger
from pynenc.trigger.conditions.composite import AnyContext
from pynenc.trigger.definition import TriggerDefinition
from pynenc.trigger.records import Occurrence, Part, RunState, TriggerRun

_EXPIRED = "expired"


class Used(msgspec.Struct, frozen=True):
    """A part that a run uses: its id, the number of its condition, and the occurrence."""

    part_id: str
    index: int
    occurrence: Occurrence


_Planned = tuple[str, TriggerDefinition, Sequence[Used]]


class Composites:
    """Pairs the parts of composites and fires them.

    Args:
        store: The trigger store.
        components: The components.
        catalog: The triggers.
        firing: Starts tasks.
    """

    def __init__(
        self, store: BaseTrigger, components: Components, catalog: TriggerCatalog, firing: Firing
    ) -> None:
        self._store = store
        self._components = components
        self._catalog = catalog
        self._firing = firing
        self._batch = store.conf.max_events_batch_size

    def parts(self, trigger_id: str, definition: TriggerDefinition, evidence: Evidence) -> list[Part]:
        """Return the parts that an occurrence makes; a filter that fails makes none."""
        looked = match_conditions(evidence, definition)
        if looked.problem is not None:
            self._components.logger.error(
                "trigger %s did not look at %s: %s", trigger_id, evidence.cause, looked.problem
            )
        text = msgspec.json.encode(evidence.occurrence).decode()
        found: list[Part] = []
        for index in looked.contexts:
            slot = _slot(trigger_id, index)
            part_id = derived_id("part", slot, evidence.occurrence.occurrence_id)
            found.append(Part(part_id, slot, text, evidence.occurrence.at))
        return found

    def combine(self, parts: Sequence[Part], definitions: Mapping[str, TriggerDefinition]) -> None:
        """Keep parts, and fire their triggers as often as all their conditions are met."""
        self._store.save_parts(parts)
        for trigger_id, definition in definitions.items():
            while self._combine_some(trigger_id, definition):
                pass

    def _combine_some(self, trigger_id: str, definition: TriggerDefinition) -> bool:
        """Fire a trigger for the parts that wait, up to a batch; whether more may wait."""
        slots = [_slot(trigger_id, index) for index in range(len(definition.conditions))]
        columns = [self._store.waiting_parts(slot, self._batch) for slot in slots]
        rows, stale = match(columns, definition.options.window_s)
        if stale:
            self._store.use_parts([(part.part_id, _EXPIRED) for part in stale])
        if rows:
            planned_runs: list[_Planned] = [
                (trigger_id, definition, [_used(part, index) for index, part in enumerate(row)])
                for row in rows
            ]
            mets = self._mets(planned_runs)
            now = self._store.now()
            runs = [
                planned(met, now, msgspec.json.encode(used).decode())
                for met, (_, _, used) in zip(mets, planned_runs, strict=True)
            ]
            self._store.save_runs(runs)
            self._carry_out(runs, mets, planned_runs)
        return bool(rows or stale)

    def complete(self) -> None:
        """Finish runs that an evaluator which died had begun."""
        while runs := self._store.find_runs(state=RunState.FIRING):
            gone: list[TriggerRun] = []
            left: list[TriggerRun] = []
            planned_runs: list[_Planned] = []
            for run in runs:
                definition = self._catalog.definition(run.trigger_id)
                if definition is None:
                    gone.append(_failed(run, "the trigger was removed before it could start its task"))
                else:
                    used = msgspec.json.decode(run.parts, type=list[Used])
                    left.append(run)
                    planned_runs.append((run.trigger_id, definition, used))
            if gone:
                self._store.mark_evaluated([], self._firing.log_refused(gone))
            if left:
                self._carry_out(left, self._mets(planned_runs), planned_runs)

    def _carry_out(
        self, runs: Sequence[TriggerRun], mets: Sequence[MatchedTrigger], planned_runs: Sequence[_Planned]
    ) -> None:
        """Let runs take their parts, and fire those that got all."""
        uses = [
            (each.part_id, run.run_id) for run, (_, _, used) in _pairs(runs, planned_runs) for each in used
        ]
        got = iter(self._store.use_parts(uses))
        ready: list[MatchedTrigger] = []
        beaten: list[TriggerRun] = []
        free: list[tuple[str, str]] = []
        for (run, (_, _, used)), met in zip(_pairs(runs, planned_runs), mets, strict=True):
            mine = list(islice(got, len(used)))
            if all(mine):
                ready.append(met)
            else:
                beaten.append(_failed(run, "another run has used one of its parts; the others wait again"))
                free += [(each.part_id, run.run_id) for each, ours in zip(used, mine, strict=True) if ours]
        if beaten:
            self._store.mark_evaluated([], self._firing.log_refused(beaten))
            self._store.free_parts(free)
        if ready:
            self._firing.carry_out(ready)

    def _mets(self, planned_runs: Sequence[_Planned]) -> list[MatchedTrigger]:
        facts = iter(
            gather(self._components, [each.occurrence for _, _, used in planned_runs for each in used])
        )
        mets: list[MatchedTrigger] = []
        for trigger_id, definition, used in planned_runs:
            mine = list(islice(facts, len(used)))
            contexts: list[AnyContext] = []
            problem: str | None = None
            for each, evidence in zip(used, mine, strict=True):
                looked = match_conditions(evidence, definition, each.index)
                contexts += looked.contexts.values()
                problem = problem or looked.problem
            occurrences = [each.occurrence for each in used]
            cause = " and ".join(evidence.cause for evidence in mine)
            depth = max(evidence.depth for evidence in mine)
            mets.append(MatchedTrigger(trigger_id, definition, contexts, occurrences, cause, depth, problem))
        return mets


def match(columns: Sequence[Sequence[Part]], window_s: float) -> tuple[list[list[Part]], list[Part]]:
    """Return pair parts, the oldest of each condition first.

    Args:
        columns: The waiting parts of each condition, oldest first.
        window_s: How far apart, in seconds, the parts of one row may lie.

    Returns:
        Rows with one part of each condition, and the parts that are too old to be met any more.
    """
    rows: list[list[Part]] = []
    stale: list[Part] = []
    at = [0] * len(columns)
    while all(place < len(column) for place, column in zip(at, columns, strict=True)):
        heads = [column[place] for place, column in zip(at, columns, strict=True)]
        oldest_useful = max(part.at for part in heads) - window_s
        late = [index for index, part in enumerate(heads) if part.at < oldest_useful]
        if late:
            stale += [heads[index] for index in late]
        else:
            rows.append(heads)
        for index in late or range(len(at)):
            at[index] += 1
    return rows, stale


def _pairs(runs: Sequence[TriggerRun], planned_runs: Sequence[_Planned]) -> list[tuple[TriggerRun, _Planned]]:
    return list(zip(runs, planned_runs, strict=True))


def _used(part: Part, index: int) -> Used:
    return Used(part.part_id, index, msgspec.json.decode(part.occurrence, type=Occurrence))


def _failed(run: TriggerRun, reason: str) -> TriggerRun:
    return msgspec.structs.replace(run, state=RunState.FAILED, reason=reason)


def _slot(trigger_id: str, index: int) -> str:
    return f"{trigger_id}:{index}"
