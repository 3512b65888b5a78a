"""Trying triggers again that could not start their tasks, with growing pauses."""

from __future__ import annotations

import math
from dataclasses import replace

import msgspec

from pynenc.exceptions import StorageUnavailableError
from pynenc.identifiers.texts import error_text
from pynenc.lifecycle.components import Components
from pynenc.scheduler.catalog import TriggerCatalog
from pynenc.scheduler.composites import Composites
from pynenc.scheduler.evidence import gather, match_trigger
from pynenc.scheduler.firing import Firing, MatchedTrigger, Used
from pynenc.trigger.base_trigger import BaseTrigger
from pynenc.trigger.records import RunState, TriggerRun

_LOOK_S = 60.0
"""After how many seconds a runner looks for retries that another has left behind."""


class Retries:
    """Tries again for one runner; two that do the same start a task once.

    Args:
        store: The trigger store.
        components: The components.
        catalog: The triggers.
        firing: Starts tasks.
        composites: Knows what composites have used.
    """

    def __init__(
        self,
        store: BaseTrigger,
        components: Components,
        catalog: TriggerCatalog,
        firing: Firing,
        composites: Composites,
    ) -> None:
        self._store = store
        self._components = components
        self._catalog = catalog
        self._firing = firing
        self._composites = composites
        self._batch = store.conf.max_events_batch_size
        self._look_at = float("-inf")

    def carry_out(self) -> float | None:
        """Try again what is due; return in how many seconds the next is, or None if none is known."""
        now = self._store.now()
        if now >= self._look_at or now >= self._firing.next_retry_at:
            self._look_at, self._firing.next_retry_at = now + _LOOK_S, math.inf
            while due := self._store.find_retries(now, self._batch):
                self._retry([each.run_id for each in due])
            first = self._store.find_retries(None, 1)
            self._firing.next_retry_at = first[0].at if first else math.inf
        next_at = self._firing.next_retry_at
        return None if next_at == math.inf else max(0.0, next_at - now)

    def _retry(self, run_ids: list[str]) -> None:
        mets: list[MatchedTrigger] = []
        over: list[TriggerRun] = []
        gone: list[str] = []
        kept: list[str] = []
        for run_id, run in zip(run_ids, self._store.read_runs(run_ids), strict=True):
            if run is None or run.state != RunState.RETRYING:
                gone.append(run_id)  # purged, unreadable, or tried by another
                continue
            try:
                met = self._met(run)
            except StorageUnavailableError:
                raise
            except Exception as error:  # noqa: BLE001 - the one that cannot be read is over
                met = f"what met it cannot be read any more: {error_text(error)}"
            if met is None:
                kept.append(run_id)
            elif isinstance(met, str):
                over.append(
                    msgspec.structs.replace(run, state=RunState.FAILED, reason=met, attempts=run.attempts + 1)
                )
            else:
                mets.append(replace(met, attempts=run.attempts, since=run.at))
        if gone:
            self._store.delete_retries(gone)
        if kept:
            self._store.delete_runs(kept)
        self._store.mark_evaluated([], over + self._firing.fire(mets))

    def _met(self, run: TriggerRun) -> MatchedTrigger | str | None:
        """Return the trigger as it was met, or why it is not any more.

        None says that what occurred counts as a part of a composite now, which fires by itself.
        """
        definition = self._catalog.definition(run.trigger_id)
        if definition is None:
            return "the trigger was removed before it could start its task"
        used = msgspec.json.decode(run.parts, type=list[Used])
        if used[0].part_id:
            return self._composites.mets([(run.trigger_id, definition, used)])[0]
        if definition.needs_all:
            return self._composites.try_again(run.trigger_id, definition, used[0].occurrence)
        (evidence,) = gather(self._components, [used[0].occurrence], self._catalog.defaults_of)
        met = match_trigger(run.trigger_id, definition, evidence)
        return met or "what occurred does not meet it any more"
