"""Cron: each runner watches the clock, and each tick fires once.

A tick needs no lease, so it is fired in time though another runner dies just then. The runner that
fired the last tick goes first; the others look a moment later whether it was done.
"""

from __future__ import annotations

import random
from itertools import islice

import msgspec

from pynenc.identifiers.ids import derived_id
from pynenc.scheduler.catalog import CronEntry, TriggerCatalog
from pynenc.scheduler.evidence import TickPayload
from pynenc.scheduler.firing import Firing, MatchedTrigger
from pynenc.storage.group import Group
from pynenc.trigger.base_trigger import BaseTrigger
from pynenc.trigger.conditions.cron import CronContext
from pynenc.trigger.definition import Misfire
from pynenc.trigger.records import TICK, Mark, Occurrence

_LATE_S = 5.0
"""A tick that is older than this was missed."""

_AT_ONCE = 1000
_AHEAD_S = 86400.0
_SECOND_LOOK_S = (0.1, 0.4)


class CronTicker:
    """Fires the ticks of an app in one runner.

    Args:
        store: The trigger store; its clock counts.
        catalog: The triggers.
        firing: Starts tasks.
    """

    def __init__(self, store: BaseTrigger, catalog: TriggerCatalog, firing: Firing) -> None:
        self._store = store
        self._catalog = catalog
        self._firing = firing
        self._look_at: dict[str, float] = {}
        self._leads: set[str] = set()

    def tick(self) -> float | None:
        """Fire what is due.

        Returns:
            In how many seconds the next look is due, or None if there is no cron.
        """
        entries = self._catalog.crons()
        if not entries:
            return None
        now = self._store.now()
        for entry in entries:
            if now >= self._look_at.get(entry.mark, 0.0):
                self._look(entry, now)
        return min(self._look_at[entry.mark] for entry in entries) - now

    def _look(self, entry: CronEntry, now: float) -> None:
        (mark,) = self._store.read_marks([entry.mark])
        if mark is None or mark.number > now + _AHEAD_S:
            # A new trigger begins now; so does one whose last tick a wrong clock put far ahead.
            self._store.swap_marks([(mark, Mark(entry.mark, "", now))])
            self._plan(entry, now)
            return
        ticks, last = self._due(entry, mark.number, now)
        if last is None:
            self._leads.discard(entry.mark)
            self._plan(entry, max(now, mark.number))
            return
        for tick in ticks:
            self._fire(entry, tick)
        done = self._store.swap_marks([(mark, Mark(entry.mark, "", last))])[0]
        if done:
            self._leads.add(entry.mark)
        else:
            self._leads.discard(entry.mark)
        self._plan(entry, last)

    def _plan(self, entry: CronEntry, after: float) -> None:
        later = 0.0 if entry.mark in self._leads else random.uniform(*_SECOND_LOOK_S)
        self._look_at[entry.mark] = entry.schedule.next_after(after) + later

    def _due(self, entry: CronEntry, after: float, now: float) -> tuple[list[float], float | None]:
        """Return the ticks to fire, which are those of just now and of the missed ones what the policy says;
        and the last tick of all, if there was one."""
        definition = self._catalog.definition(entry.trigger_id)
        policy = definition.options.misfire if definition else Misfire.SKIP
        if policy == Misfire.FIRE_ALL:
            ticks = list(islice(entry.schedule.between(after, now), _AT_ONCE))
            return ticks, ticks[-1] if ticks else None
        late = max(after, now - _LATE_S)
        current = list(entry.schedule.between(late, now))
        missed = entry.schedule.last_between(after, late)
        if policy == Misfire.FIRE_ONCE and missed is not None:
            return [missed, *current], current[-1] if current else missed
        return current, current[-1] if current else missed

    def _fire(self, entry: CronEntry, tick: float) -> None:
        definition = self._catalog.definition(entry.trigger_id)
        if definition is None:
            return
        payload = msgspec.json.encode(TickPayload(entry.index, tick)).decode()
        tick_id = derived_id(TICK, entry.mark, repr(tick))
        occurrence = Occurrence(tick_id, TICK, entry.trigger_id, payload, tick)
        if definition.needs_all:
            group = Group()
            self._store.stage_occurrences(group, [occurrence])
            group.send()
            return
        local = entry.schedule.local(tick)
        context = CronContext(local, entry.condition.expression)
        cause = f"tick of {local.isoformat()}"
        self._firing.carry_out(
            [MatchedTrigger(entry.trigger_id, definition, (context,), [occurrence], cause, 0)]
        )
