"""Cron: each runner watches the clock, and each tick fires once.

A tick needs no lease, so it is fired in time though another runner dies just then. The runner that
fired the last tick goes first; the others look a moment later whether it was done.
"""

from __future__ import annotations

import random
from itertools import islice

import msgspec

from pynenc.identifiers.ids import derived_id
from pynenc.storage.group import Group
from pynenc.trigger.base_trigger import BaseTrigger
from pynenc.trigger.catalog import Catalog, CronEntry
from pynenc.trigger.conditions import CronContext
from pynenc.trigger.definition import Misfire
from pynenc.trigger.facts import TickPayload
from pynenc.trigger.firing import Firing, Met
from pynenc.trigger.records import TICK, Mark, Occurrence

_LATE_S = 5.0
"""A tick that is older than this was missed."""

_AT_ONCE = 1000
_AHEAD_S = 86400.0
_SECOND_LOOK_S = (0.1, 0.4)


class Ticker:
    """Fires the ticks of an app in one runner.

    Args:
        store: The trigger store; its clock counts.
        catalog: The triggers.
        firing: Starts tasks.
    """

    def __init__(self, store: BaseTrigger, catalog: Catalog, firing: Firing) -> None:
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
        ticks = list(islice(entry.schedule.between(mark.number, now), _AT_ONCE))
        if not ticks:
            self._leads.discard(entry.mark)
            self._plan(entry, max(now, mark.number))
            return
        for tick in self._chosen(entry, ticks, now):
            self._fire(entry, tick)
        done = self._store.swap_marks([(mark, Mark(entry.mark, "", ticks[-1]))])[0]
        if done:
            self._leads.add(entry.mark)
        else:
            self._leads.discard(entry.mark)
        self._plan(entry, ticks[-1])

    def _plan(self, entry: CronEntry, after: float) -> None:
        later = 0.0 if entry.mark in self._leads else random.uniform(*_SECOND_LOOK_S)
        self._look_at[entry.mark] = entry.schedule.next_after(after) + later

    def _chosen(self, entry: CronEntry, ticks: list[float], now: float) -> list[float]:
        """The ticks to fire: those of just now, and of the missed ones what the policy says."""
        definition = self._catalog.definition(entry.trigger_id)
        policy = definition.options.misfire if definition else Misfire.SKIP
        if policy == Misfire.FIRE_ALL:
            return ticks
        current = [tick for tick in ticks if now - tick <= _LATE_S]
        missed = ticks[: len(ticks) - len(current)]
        return (missed[-1:] if policy == Misfire.FIRE_ONCE else []) + current

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
        self._firing.carry_out([Met(entry.trigger_id, definition, (context,), [occurrence], cause, 0)])
