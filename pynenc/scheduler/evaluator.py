"""Evaluation: from what has occurred to the triggers that it meets.

One evaluator at a time holds a short lease and evaluates what is open, oldest first, so events of
one code keep their order. It keeps the lease while events come and renews it in the write that it
makes anyway; the others wait until the lease has run out. Whatever it does may be done again by
another after a crash: the ids of what it starts are derived.
"""

from __future__ import annotations

from collections.abc import Sequence

from pynenc.exceptions import StorageUnavailableError
from pynenc.lifecycle.components import Components
from pynenc.scheduler.catalog import TriggerCatalog
from pynenc.scheduler.composites import Composites
from pynenc.scheduler.delivery import deliver
from pynenc.scheduler.evidence import Certainty, Evidence, certainty, gather, match_trigger
from pynenc.scheduler.firing import Firing, MatchedTrigger
from pynenc.scheduler.retries import Retries
from pynenc.storage.operations import Cursor
from pynenc.trigger.base_trigger import BaseTrigger
from pynenc.trigger.definition import TriggerDefinition
from pynenc.trigger.records import Mark, MarkSwap, Occurrence, Part

_LEASE, _NOBODY = "lease", ""
_LEASE_S = 2.0
_RENEW_S = 1.0
_RECHECK_S = 0.1
_LAST_RECHECK_S = 5.0


class Evaluator:
    """Evaluates for one runner.

    Args:
        store: The trigger store.
        components: The components.
        catalog: The triggers.
        firing: Starts tasks.
        runner_id: Who holds the lease.
    """

    def __init__(
        self,
        store: BaseTrigger,
        components: Components,
        catalog: TriggerCatalog,
        firing: Firing,
        runner_id: str,
    ) -> None:
        self._store = store
        self._components = components
        self._catalog = catalog
        self._firing = firing
        self._composites = Composites(store, components, catalog, firing)
        self._retries = Retries(store, components, catalog, firing, self._composites)
        self._runner_id = runner_id
        self._batch = store.conf.max_events_batch_size
        self._leased_until = 0.0
        self._others_until = 0.0
        self._is_clean = True

    def evaluate(self) -> float | None:
        """Evaluate every open occurrence, and try again what could not be started and is due.

        Returns:
            After how many seconds to look again, or None if nothing waits.
        """
        waits = [each for each in (self._evaluate_open(), self._retries.carry_out()) if each is not None]
        if self._catalog.has_composites:
            self._composites.expire()
        return min(waits) if waits else None

    def _evaluate_open(self) -> float | None:
        now = self._store.now()
        if now < self._others_until:
            return self._others_until - now
        recheck_s: float | None = None
        after: Cursor | None = None
        while batch := self._store.open_occurrences(self._batch, after):
            if not (self._is_clean and now < self._leased_until):
                held_for = self._acquire()
                if held_for is not None:
                    return held_for
            self._is_clean = False  # after an error the next holder completes what was begun
            ages = self._evaluate(batch)
            self._is_clean = True
            if ages:
                soon_s = max(_RECHECK_S, min(min(ages), _LAST_RECHECK_S))
                recheck_s = soon_s if recheck_s is None else min(recheck_s, soon_s)
            if len(batch) < self._batch:
                break  # whatever occurs later wakes this evaluator again
            after = Cursor(batch[-1].at, batch[-1].occurrence_id)
            now = self._store.now()
        return recheck_s

    def close(self) -> None:
        """Release the lease, unless something that was begun is still to be completed."""
        if self._is_clean and self._leased_until > 0:
            held = Mark(_LEASE, self._runner_id, self._leased_until)
            self._store.swap_marks([(held, Mark(_LEASE, _NOBODY, 0.0))], wake=True)
            self._leased_until = 0.0

    def forget_others(self) -> None:
        """Look at the lease again: its holder may have released it."""
        self._others_until = 0.0

    # --- the lease ---------------------------------------------------------------------

    def _acquire(self) -> float | None:
        """Take the lease; return how long another holds it at most, if one does."""
        (lease,) = self._store.read_marks([_LEASE])
        now = self._store.now()
        is_other = lease is not None and lease.text not in (_NOBODY, self._runner_id)
        # A lease that ends later than one taken now is of a clock that was set back since.
        if lease is not None and is_other and now < lease.number <= now + _LEASE_S:
            self._others_until = lease.number + _RECHECK_S
            return self._others_until - now
        is_own = lease is not None and lease.text == self._runner_id and self._is_clean
        is_released = lease is not None and lease.text == _NOBODY
        taken = Mark(_LEASE, self._runner_id, now + _LEASE_S)
        if not self._store.swap_marks([(lease, taken)])[0]:
            return _RECHECK_S
        self._leased_until = taken.number
        if not (is_own or is_released):
            self._composites.complete()
        return None

    def _renewal(self, now: float) -> list[MarkSwap]:
        """Return the swap that renews the lease, once that is worth a write."""
        if self._leased_until - now >= _LEASE_S - _RENEW_S:
            return []
        held = Mark(_LEASE, self._runner_id, self._leased_until)
        return [(held, Mark(_LEASE, self._runner_id, now + _LEASE_S))]

    # --- batches -----------------------------------------------------------------------

    def _evaluate(self, batch: Sequence[Occurrence]) -> list[float]:
        """Evaluate some occurrences; return the ages, in seconds, of those whose change is not made yet."""
        settled: list[str] = []
        ages: list[float] = []
        met: list[MatchedTrigger] = []
        parts: list[Part] = []
        composites: dict[str, TriggerDefinition] = {}
        now = self._store.now()
        facts = gather(self._components, batch, self._catalog.defaults_of)
        if len(facts) < len(batch):
            settled += self._left_out(batch, facts)
        for evidence in facts:
            known = certainty(evidence, now)
            if known == Certainty.OPEN:
                ages.append(now - evidence.occurrence.at)
                continue
            settled.append(evidence.occurrence.occurrence_id)
            if known == Certainty.NO:
                continue
            for trigger_id in self._catalog.waiting_for(evidence.occurrence.kind, evidence.code):
                try:
                    definition = self._catalog.definition(trigger_id)
                    if definition is None:
                        continue
                    if not definition.needs_all:
                        one = match_trigger(trigger_id, definition, evidence)
                        if one is not None:
                            met.append(one)
                        continue
                    found, failed = self._composites.parts(trigger_id, definition, evidence)
                    composites[trigger_id] = definition
                    parts += found
                    if failed is not None:
                        met.append(failed)
                except StorageUnavailableError:
                    raise
                except Exception as error:  # noqa: BLE001 - the others go on
                    self._firing.problems.note(trigger_id, self._catalog.task_of(trigger_id), error)
        deliver(self._store, self._components, [evidence.occurrence for evidence in facts])
        runs = self._firing.fire(met) if met else []
        if parts:
            self._composites.combine(parts, composites)
        swaps = self._renewal(self._store.now())
        renewed = self._store.mark_evaluated(settled, runs, swaps)
        for (_, lease), was_renewed in zip(swaps, renewed, strict=True):
            self._leased_until = lease.number if lease is not None and was_renewed else 0.0
        return ages

    def _left_out(self, batch: Sequence[Occurrence], facts: Sequence[Evidence]) -> list[str]:
        """Return the occurrences that cannot be read, so that they are settled."""
        readable = {evidence.occurrence.occurrence_id for evidence in facts}
        ids = [each.occurrence_id for each in batch if each.occurrence_id not in readable]
        self._components.logger.error("occurrence(s) that cannot be read are left out: %s", ", ".join(ids))
        return ids
