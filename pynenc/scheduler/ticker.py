"""Schedules: each runner watches the clock, and each tick fires once.

A tick needs no lease, so it is fired in time though another runner dies just then. The runner that
fired the last tick goes first; the others look a moment later whether it was done.
"""

from __future__ import annotations

import random
from itertools import islice, takewhile

import msgspec

from pynenc.exceptions import StorageUnavailableError
from pynenc.identifiers.ids import derived_id
from pynenc.recording.recorder import LAG
from pynenc.scheduler.catalog import TimedEntry, TriggerCatalog
from pynenc.scheduler.evidence import TickPayload
from pynenc.scheduler.firing import Firing, MatchedTrigger
from pynenc.storage.group import Group
from pynenc.trigger.base_trigger import BaseTrigger
from pynenc.trigger.definition import Misfire
from pynenc.trigger.records import TICK, Mark, Occurrence

_LATE_S = 5.0
"""A tick that is older than this was missed."""

_AT_ONCE = 1000
_AHEAD_S = 86400.0
_SECOND_LOOK_S = (0.1, 0.4)
_NEVER = float("inf")
_FIRST_PAUSE_S, _LAST_PAUSE_S = 1.0, 60.0


class Ticker:
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
        self._pauses: dict[str, float] = {}

    def tick(self) -> float | None:
        """Fire what is due; a trigger that fails is looked at again later, and the others go on.

        Returns:
            In how many seconds the next look is due, or None if there is no schedule that goes on.

        Raises:
            StorageUnavailableError: A storage is away; all of it can be tried again.
        """
        entries = self._catalog.timed()
        if not entries:
            return None
        now = self._store.now()
        for entry in entries:
            if now >= self._look_at.get(entry.mark, 0.0):
                try:
                    self._look(entry, now)
                    self._pauses.pop(entry.mark, None)
                except StorageUnavailableError:
                    raise
                except Exception as error:  # noqa: BLE001 - the others go on
                    pause_s = self._pauses[entry.mark] = min(
                        self._pauses.get(entry.mark, _FIRST_PAUSE_S / 2) * 2, _LAST_PAUSE_S
                    )
                    self._look_at[entry.mark] = now + pause_s
                    self._firing.problems.note(entry.trigger_id, entry.task_id, error)
        first = min(self._look_at[entry.mark] for entry in entries)
        return None if first == _NEVER else first - now

    def _look(self, entry: TimedEntry, now: float) -> None:
        (mark,) = self._store.read_marks([entry.mark])
        if mark is None or mark.number > now + _AHEAD_S:
            # A new trigger begins now; so does one whose last tick a wrong clock put far ahead.
            self._store.swap_marks([(mark, Mark(entry.mark, "", now))])
            self._plan(entry, now)
            return
        ticks, last = self._due(entry, mark.number, now)
        if last is None:
            self._leads.discard(entry.mark)
            self._plan(entry, mark.number if entry.condition.jitter_s else max(now, mark.number))
            return
        for tick in ticks:
            self._fire(entry, tick)
        done = self._store.swap_marks([(mark, Mark(entry.mark, "", last))])[0]
        if done:
            self._leads.add(entry.mark)
        else:
            self._leads.discard(entry.mark)
        self._plan(entry, last)

    def _plan(self, entry: TimedEntry, after: float) -> None:
        later = 0.0 if entry.mark in self._leads else random.uniform(*_SECOND_LOOK_S)
        tick = entry.schedule.next_after(after)
        self._look_at[entry.mark] = _NEVER if tick is None else tick + delay_of(entry, tick) + later

    def _due(self, entry: TimedEntry, after: float, now: float) -> tuple[list[float], float | None]:
        """Return the ticks to fire, which are those of just now and of the missed ones what the policy says;
        and the last tick of all, if there was one."""
        definition = self._catalog.definition(entry.trigger_id)
        policy = definition.options.misfire if definition else Misfire.SKIP
        if policy == Misfire.FIRE_ALL:
            ticks = list(islice(self._between(entry, after, now), _AT_ONCE))
            return ticks, ticks[-1] if ticks else None
        late = max(after, now - _LATE_S - entry.condition.jitter_s)
        current = self._between(entry, late, now)
        missed = entry.schedule.last_between(after, late)
        if policy == Misfire.FIRE_ONCE and missed is not None:
            return [missed, *current], current[-1] if current else missed
        return current, current[-1] if current else missed

    @staticmethod
    def _between(entry: TimedEntry, low: float, high: float) -> list[float]:
        """Return the ticks after `low` whose time to be fired has come at `high`, in order."""
        found = islice(entry.schedule.between(low, high), _AT_ONCE)
        return list(takewhile(lambda tick: tick + delay_of(entry, tick) <= high, found))

    def _fire(self, entry: TimedEntry, tick: float) -> None:
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
        lag_s = max(0.0, self._store.now() - tick - delay_of(entry, tick))
        self._firing.recorder.note((LAG, "", "", "", lag_s))
        local = entry.schedule.local(tick)
        context = entry.condition.told(local)
        cause = f"tick of {local.isoformat()}"
        self._firing.carry_out(
            [MatchedTrigger(entry.trigger_id, definition, (context,), [occurrence], cause, 0)]
        )


def delay_of(entry: TimedEntry, tick: float) -> float:
    """Return how many seconds after its time a tick is fired: the same in all processes, spread evenly."""
    if not entry.condition.jitter_s:
        return 0.0
    share = int(derived_id("jitter", entry.mark, repr(tick))[:12], 16) / 16**12
    return share * entry.condition.jitter_s
