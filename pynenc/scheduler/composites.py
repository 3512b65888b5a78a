"""Composites: triggers whose conditions must all be met.

Each occurrence that meets one condition is kept as a part. Parts of all conditions that have the
same key, the oldest of each, make a run. The run is written first, then it takes its parts; only a
run that got all of them fires. So each part is used once, even if two evaluators pair them at the
same time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import islice

import msgspec

from pynenc.exceptions import StorageUnavailableError
from pynenc.identifiers.ids import derived_id
from pynenc.identifiers.texts import error_text, type_name
from pynenc.lifecycle.components import Components
from pynenc.scheduler.catalog import TriggerCatalog
from pynenc.scheduler.evidence import Evidence, gather, match_conditions
from pynenc.scheduler.firing import Firing, MatchedTrigger, Used, planned
from pynenc.scheduler.matching import Candidate, match
from pynenc.trigger.base_trigger import BaseTrigger
from pynenc.trigger.conditions.composite import AnyContext, CompositeLogic
from pynenc.trigger.conditions.event import EventContext
from pynenc.trigger.definition import TriggerDefinition
from pynenc.trigger.filters import value_at
from pynenc.trigger.records import Occurrence, Part, RunState, TriggerRun

_EXPIRED = "expired"
_EXPIRE_EVERY_S = 5.0
_MOST_RETRYING = 1000
_BESIDE = -1
"""Stands for the number of a condition that an occurrence meets too, though it is used for another."""


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
        self._expire_at = 0.0

    def parts(
        self, trigger_id: str, definition: TriggerDefinition, evidence: Evidence
    ) -> tuple[list[Part], MatchedTrigger | None]:
        """Return the parts that an occurrence makes, and what is to be tried again.

        A filter that fails makes no part, nor does a function that correlates. Both may work later; a
        value to correlate by that is absent stays absent.
        """
        looked = match_conditions(evidence, definition)
        problem = looked.problem
        text = msgspec.json.encode(evidence.occurrence).decode()
        expires_at = evidence.occurrence.at + definition.options.window_s
        found: list[Part] = []
        for index, context in looked.contexts.items():
            try:
                slot = _slot(trigger_id, index, _key(definition, context))
            except StorageUnavailableError:
                raise
            except BaseException as error:  # noqa: BLE001 - a function of the user's, or an absent value
                what = f"it has nothing to correlate by: {type_name(type(error))}: {error_text(error)}"
                if callable(definition.options.correlate_by):
                    problem = problem or what
                else:
                    self._firing.problems.note(trigger_id, definition.task_id, what, evidence.cause)
                continue
            part_id = derived_id("part", slot, evidence.occurrence.occurrence_id)
            found.append(Part(part_id, slot, text, evidence.occurrence.at, "", expires_at))
        if problem is None:
            return found, None
        occurrences = [evidence.occurrence]
        return found, MatchedTrigger(
            trigger_id, definition, [], occurrences, evidence.cause, evidence.depth, problem
        )

    def try_again(
        self, trigger_id: str, definition: TriggerDefinition, occurrence: Occurrence
    ) -> MatchedTrigger | None:
        """Make the parts that an occurrence could not make before; what is still to be tried again."""
        (evidence,) = gather(self._components, [occurrence], self._catalog.defaults_of)
        found, failed = self.parts(trigger_id, definition, evidence)
        if found:
            self.combine(found, {trigger_id: definition})
        if failed is None:
            self._firing.problems.solved([trigger_id])
        return failed

    def combine(self, parts: Sequence[Part], definitions: Mapping[str, TriggerDefinition]) -> None:
        """Keep parts, and fire their triggers as often as all their conditions are met."""
        self._store.save_parts(parts)
        for trigger_id, key in dict.fromkeys(_trigger_and_key(part.slot) for part in parts):
            while self._combine_some(trigger_id, key, definitions[trigger_id]):
                pass

    def _combine_some(self, trigger_id: str, key: str, definition: TriggerDefinition) -> bool:
        """Fire a trigger for the parts that wait, up to a batch; whether more may wait."""
        count = len(definition.conditions)
        columns = [self._candidates(trigger_id, index, key, definition) for index in range(count)]
        rows = match(columns, definition.options.window_s, definition.logic == CompositeLogic.SEQUENCE)
        if not rows:
            return False
        by_source: dict[str, list[Candidate]] = defaultdict(list)
        for column in columns:
            for each in column:
                by_source[each.source].append(each)
        planned_runs: list[_Planned] = []
        for row in rows:
            beside = [
                Used(twin.part.part_id, _BESIDE, twin.occurrence)
                for each in row
                for twin in by_source[each.source]
                if twin is not each
            ]
            used = [Used(each.part.part_id, each.index, each.occurrence) for each in row]
            planned_runs.append((trigger_id, definition, used + beside))
        mets = self.mets(planned_runs)
        now = self._store.now()
        runs = [
            planned(met, now, msgspec.json.encode(used).decode())
            for met, (_, _, used) in zip(mets, planned_runs, strict=True)
        ]
        self._store.save_runs(runs)
        self._carry_out(runs, mets, planned_runs)
        return True

    def _candidates(
        self, trigger_id: str, index: int, key: str, definition: TriggerDefinition
    ) -> list[Candidate]:
        """Return the parts that wait for one condition; those that cannot be read are dropped."""
        found: list[Candidate] = []
        for part in self._store.waiting_parts(_slot(trigger_id, index, key), self._batch):
            try:
                occurrence = msgspec.json.decode(part.occurrence, type=Occurrence)
            except (msgspec.MsgspecError, ValueError) as error:
                self._drop_unreadable(trigger_id, definition.task_id, part, error)
            else:
                found.append(Candidate(part, index, occurrence))
        return found

    def _drop_unreadable(self, trigger_id: str, task_id: str, part: Part, error: Exception) -> None:
        what = f"part {part.part_id} cannot be read and is dropped: {error_text(error)}"
        self._firing.problems.note(trigger_id, task_id, what)
        self._store.use_parts([(part.part_id, _EXPIRED)])

    # --- parts that the others did not follow ------------------------------------------

    def expire(self) -> None:
        """Drop parts that have waited too long, and tell of them."""
        now = self._store.now()
        if now < self._expire_at:
            return
        self._expire_at = now + _EXPIRE_EVERY_S
        while parts := self._store.expired_parts(now, self._batch):
            runs: dict[str, TriggerRun] = {}
            retried = self._store.find_runs(state=RunState.RETRYING, limit=_MOST_RETRYING)
            retrying = {run.trigger_id for run in retried}
            kept = [part.part_id for part in parts if _trigger_and_key(part.slot)[0] in retrying]
            if kept:  # what occurred may yet meet the other conditions, which are looked at again
                self._store.keep_parts(kept, self._expire_at)
                parts = [part for part in parts if part.part_id not in kept]
            for part in parts:
                trigger_id, _ = _trigger_and_key(part.slot)
                try:
                    definition = self._catalog.definition(trigger_id)
                    if definition is not None:
                        run = _expired(trigger_id, definition, part, now)
                        runs[run.run_id] = run
                except (msgspec.MsgspecError, ValueError) as error:
                    self._drop_unreadable(trigger_id, self._catalog.task_of(trigger_id), part, error)
            self._store.use_parts([(part.part_id, _EXPIRED) for part in parts])
            self._store.mark_evaluated([], list(runs.values()))
            for run in runs.values():
                self._components.logger.warning(
                    "trigger %s of task %s did not start it for %s: %s",
                    run.trigger_id, run.task_id, run.cause, run.reason,
                )  # fmt: skip

    def complete(self) -> None:
        """Finish runs that an evaluator which died had begun."""
        while runs := self._store.find_runs(state=RunState.FIRING):
            gone: list[TriggerRun] = []
            left: list[TriggerRun] = []
            planned_runs: list[_Planned] = []
            for run in runs:
                try:
                    definition = self._catalog.definition(run.trigger_id)
                    used = msgspec.json.decode(run.parts, type=list[Used])
                except (msgspec.MsgspecError, ValueError) as error:
                    gone.append(_failed(run, f"what met it cannot be read: {error_text(error)}"))
                    continue
                if definition is None:
                    gone.append(_failed(run, "the trigger was removed before it could start its task"))
                else:
                    left.append(run)
                    planned_runs.append((run.trigger_id, definition, used))
            if gone:
                self._store.mark_evaluated([], gone)
            if left:
                self._carry_out(left, self.mets(planned_runs), planned_runs)

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
            self._store.mark_evaluated([], beaten)
            self._store.free_parts(free)
        if ready:
            self._firing.carry_out(ready)

    def mets(self, planned_runs: Sequence[_Planned]) -> list[MatchedTrigger]:
        """Return triggers as the occurrences that they use meet them."""
        facts = iter(
            gather(
                self._components,
                [each.occurrence for _, _, used in planned_runs for each in used],
                self._catalog.defaults_of,
            )
        )
        mets: list[MatchedTrigger] = []
        for trigger_id, definition, used in planned_runs:
            mine = list(islice(facts, len(used)))
            contexts: list[AnyContext] = []
            problem: str | None = None
            mine = [evidence for each, evidence in zip(used, mine, strict=True) if each.index != _BESIDE]
            used = [each for each in used if each.index != _BESIDE]
            for each, evidence in zip(used, mine, strict=True):
                looked = match_conditions(evidence, definition, each.index)
                contexts += looked.contexts.values()
                problem = problem or looked.problem
            occurrences = [each.occurrence for each in used]
            cause = " and ".join(evidence.cause for evidence in mine)
            depth = max(evidence.depth for evidence in mine)
            mets.append(
                MatchedTrigger(
                    trigger_id, definition, contexts, occurrences, cause, depth, problem, used=used
                )
            )
        return mets


def _pairs(runs: Sequence[TriggerRun], planned_runs: Sequence[_Planned]) -> list[tuple[TriggerRun, _Planned]]:
    return list(zip(runs, planned_runs, strict=True))


def _failed(run: TriggerRun, reason: str) -> TriggerRun:
    return msgspec.structs.replace(run, state=RunState.FAILED, reason=reason)


def _expired(trigger_id: str, definition: TriggerDefinition, part: Part, now: float) -> TriggerRun:
    occurrence = msgspec.json.decode(part.occurrence, type=Occurrence)
    return TriggerRun(
        derived_id(_EXPIRED, trigger_id, occurrence.occurrence_id),
        trigger_id,
        definition.task_id,
        RunState.EXPIRED,
        f"{occurrence.kind} '{occurrence.code}' ({occurrence.occurrence_id})",
        now,
        "",
        msgspec.json.encode([occurrence.occurrence_id]).decode(),
        occurrence.depth + 1,
        f"the other conditions were not met within {definition.options.window_s:g} s",
    )


def _slot(trigger_id: str, index: int, key: str) -> str:
    return f"{trigger_id}:{index}:{key}" if key else f"{trigger_id}:{index}"


def _trigger_and_key(slot: str) -> tuple[str, str]:
    trigger_id, _, key = slot.partition(":")
    return trigger_id, key.partition(":")[2]


def _key(definition: TriggerDefinition, context: AnyContext) -> str:
    """Return what stands for that by which occurrences are correlated; empty if any go together.

    Raises:
        KeyError: The value is absent.
        Exception: Whatever the function raises.
    """
    by = definition.options.correlate_by
    if by is None:
        return ""
    if callable(by):
        value = by(context)
    else:
        values = context.payload if isinstance(context, EventContext) else getattr(context, "arguments", {})
        value = value_at(values, by)
    plain = msgspec.to_builtins(value, str_keys=True, order="deterministic")
    return derived_id("key", msgspec.json.encode(plain).decode())
