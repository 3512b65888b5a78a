"""Evaluation: from what has occurred to the triggers that it meets.

One evaluator at a time holds a short lease and works off what is open, oldest first, so events of
one code keep their order. Whatever it does may be done again by another after a crash: the ids of
what it starts are derived. What meets one part of a composite is kept as a part; when every part is
there, the run is written first, and everything else follows from it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import msgspec

from pynenc.exceptions import StorageUnavailableError
from pynenc.identifiers.ids import derived_id
from pynenc.orchestrator.ports import Ports
from pynenc.storage.operations import Cursor
from pynenc.trigger.base_trigger import BaseTrigger
from pynenc.trigger.catalog import Catalog
from pynenc.trigger.conditions import AnyContext, CompositeLogic
from pynenc.trigger.definition import TriggerDefinition
from pynenc.trigger.facts import Fact, gather, has_happened
from pynenc.trigger.firing import Firing, Met, planned
from pynenc.trigger.records import Mark, Occurrence, Part, RunState, TriggerRun

_LEASE, _NOBODY = "lease", ""
_LEASE_S = 5.0
_RENEW_S = 1.0
_SETTLE_S = 5.0
_RECHECK_S = 0.1
_EXPIRED = "expired"


class Used(msgspec.Struct, frozen=True):
    """A part that a run uses: its id, the number of its condition, and the occurrence."""

    part_id: str
    index: int
    occurrence: Occurrence


class Evaluator:
    """Evaluates for one runner.

    Args:
        store: The trigger store.
        ports: The components.
        catalog: The triggers.
        firing: Starts tasks.
        runner_id: Who holds the lease.
        logger: Where to tell of triggers that could not be fired.
    """

    def __init__(
        self,
        store: BaseTrigger,
        ports: Ports,
        catalog: Catalog,
        firing: Firing,
        runner_id: str,
        logger: logging.Logger,
    ) -> None:
        self._store = store
        self._ports = ports
        self._catalog = catalog
        self._firing = firing
        self._runner_id = runner_id
        self._logger = logger
        self._batch = store.conf.max_events_batch_size
        self._leased_until = 0.0

    def evaluate(self) -> float | None:
        """Work off what is open.

        Returns:
            After how many seconds to look again, or None if nothing waits.
        """
        while self._store.open_occurrences(1):
            held_for = self._acquire()
            if held_for is not None:
                return held_for
            try:
                recheck = self._drain()
            finally:
                self._release()
            if recheck is not None:
                return recheck
        return None

    # --- the lease ---------------------------------------------------------------------

    def _acquire(self) -> float | None:
        """Take the lease; how long another holds it at most, if one does."""
        (lease,) = self._store.read_marks([_LEASE])
        now = self._store.now()
        is_abandoned = lease is None or lease.text != _NOBODY
        if lease is not None and lease.text not in (_NOBODY, self._runner_id) and lease.number > now:
            return lease.number - now + _RECHECK_S
        taken = Mark(_LEASE, self._runner_id, now + _LEASE_S)
        if not self._store.swap_marks([(lease, taken)])[0]:
            return _RECHECK_S
        self._leased_until = taken.number
        if is_abandoned:
            for run in self._store.find_runs(state=RunState.FIRING):
                self._complete(run)
        return None

    def _renew(self) -> None:
        now = self._store.now()
        if self._leased_until - now < _LEASE_S - _RENEW_S:
            held = Mark(_LEASE, self._runner_id, self._leased_until)
            self._leased_until = now + _LEASE_S
            self._store.swap_marks([(held, Mark(_LEASE, self._runner_id, self._leased_until))])

    def _release(self) -> None:
        held = Mark(_LEASE, self._runner_id, self._leased_until)
        self._store.swap_marks([(held, Mark(_LEASE, _NOBODY, 0.0))])

    # --- batches -----------------------------------------------------------------------

    def _drain(self) -> float | None:
        after: Cursor | None = None
        recheck: float | None = None
        while batch := self._store.open_occurrences(self._batch, after):
            after = Cursor(batch[-1].at, batch[-1].occurrence_id)
            if self._evaluate(batch):
                recheck = _RECHECK_S
            self._renew()
        return recheck

    def _evaluate(self, batch: Sequence[Occurrence]) -> bool:
        """Evaluate some occurrences; whether one of them waits for its change of status."""
        settled: list[str] = []
        met: list[Met] = []
        parts: list[Part] = []
        composites: dict[str, TriggerDefinition] = {}
        now = self._store.now()
        for fact in gather(self._ports, batch):
            if has_happened(fact):
                for trigger_id in self._catalog.waiting_for(fact.occurrence.kind, fact.code):
                    definition = self._catalog.definition(trigger_id)
                    if definition is None:
                        continue
                    if definition.logic == CompositeLogic.AND and len(definition.conditions) > 1:
                        found = _parts(trigger_id, definition, fact)
                        if found:
                            composites[trigger_id] = definition
                            parts += found
                    else:
                        one = _met(trigger_id, definition, fact)
                        if one is not None:
                            met.append(one)
            elif now - fact.occurrence.at < _SETTLE_S:
                continue
            settled.append(fact.occurrence.occurrence_id)
        runs = self._tell(self._firing.fire(met)) if met else []
        if parts:
            self._store.save_parts(parts)
            for trigger_id, definition in composites.items():
                self._combine(trigger_id, definition)
        self._store.settle(settled, runs)
        return len(settled) < len(batch)

    def fire(self, met: Sequence[Met]) -> None:
        """Fire triggers that need no lease, as nothing else is open for them."""
        self._store.settle([], self._tell(self._firing.fire(met)))

    def _tell(self, runs: list[TriggerRun]) -> list[TriggerRun]:
        for run in runs:
            if run.state != RunState.FIRED:
                self._logger.error(
                    "trigger %s of task %s did not start it for %s: %s",
                    run.trigger_id,
                    run.task_id,
                    run.cause,
                    run.reason,
                )
        return runs

    # --- composites --------------------------------------------------------------------

    def _combine(self, trigger_id: str, definition: TriggerDefinition) -> None:
        """Fire a composite as often as all its parts are there, the oldest first."""
        slots = [_slot(trigger_id, index) for index in range(len(definition.conditions))]
        while True:
            heads = [part for slot in slots for part in self._store.waiting_parts(slot, 0.0, 1)]
            if len(heads) < len(slots):
                return
            oldest_useful = max(part.at for part in heads) - definition.options.window_s
            stale = [part.part_id for part in heads if part.at < oldest_useful]
            if stale:
                self._store.use_parts(stale, _EXPIRED)
                continue
            used = [
                Used(part.part_id, index, msgspec.json.decode(part.occurrence, type=Occurrence))
                for index, part in enumerate(heads)
            ]
            met = self._met_by(trigger_id, definition, used)
            run = planned(met, self._store.now(), msgspec.json.encode(used).decode())
            self._store.save_runs([run])
            self._complete(run)

    def _complete(self, run: TriggerRun) -> None:
        """Do what follows from a run that was written as FIRING."""
        used = msgspec.json.decode(run.occurrences, type=list[Used])
        self._store.use_parts([each.part_id for each in used], run.run_id)
        definition = self._catalog.definition(run.trigger_id)
        if definition is None:
            gone = msgspec.structs.replace(run, state=RunState.FAILED, reason="the trigger is gone")
            self._store.settle([], self._tell([gone]))
            return
        self.fire([self._met_by(run.trigger_id, definition, used)])

    def _met_by(self, trigger_id: str, definition: TriggerDefinition, used: Sequence[Used]) -> Met:
        contexts: dict[str, AnyContext] = {}
        facts = gather(self._ports, [each.occurrence for each in used])
        problem: str | None = None
        for each, fact in zip(used, facts, strict=True):
            condition = definition.conditions[each.index]
            try:
                context = fact.context(each.index, condition)
            except StorageUnavailableError:
                raise
            except Exception as error:  # noqa: BLE001 - a function of the user's; the run tells of it
                context, problem = None, f"{type(error).__name__}: {error}"
            if context is not None:
                contexts[condition.kind] = context
        occurrences = [each.occurrence for each in used]
        cause = " and ".join(fact.cause for fact in facts)
        depth = max(fact.depth for fact in facts)
        return Met(trigger_id, definition, contexts, occurrences, cause, depth, problem)


def _slot(trigger_id: str, index: int) -> str:
    return f"{trigger_id}:{index}"


def _parts(trigger_id: str, definition: TriggerDefinition, fact: Fact) -> list[Part]:
    """The parts of a composite that an occurrence makes; a filter that fails makes none."""
    text = msgspec.json.encode(fact.occurrence).decode()
    found: list[Part] = []
    for index, condition in enumerate(definition.conditions):
        try:
            context = fact.context(index, condition)
        except StorageUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - a function of the user's
            fact.ports.logger.error("a filter of trigger %s failed: %r", trigger_id, error)
            continue
        if context is not None:
            slot = _slot(trigger_id, index)
            part_id = derived_id("part", slot, fact.occurrence.occurrence_id)
            found.append(Part(part_id, slot, text, fact.occurrence.at))
    return found


def _met(trigger_id: str, definition: TriggerDefinition, fact: Fact) -> Met | None:
    """The trigger as one occurrence meets it, if it does."""
    contexts: dict[str, AnyContext] = {}
    problem: str | None = None
    for index, condition in enumerate(definition.conditions):
        try:
            context = fact.context(index, condition)
        except StorageUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - a function of the user's; the run tells of it
            problem = f"its filter failed: {type(error).__name__}: {error}"
            continue
        if context is not None:
            contexts.setdefault(condition.kind, context)
    if not contexts and problem is None:
        return None
    return Met(trigger_id, definition, contexts, [fact.occurrence], fact.cause, fact.depth, problem)
