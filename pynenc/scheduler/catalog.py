"""The triggers of an app as this process knows them: who waits for what."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from pynenc.invocation.status import InvocationStatus
from pynenc.trigger.base_trigger import BaseTrigger
from pynenc.trigger.conditions.base import Condition
from pynenc.trigger.conditions.cron import CronCondition
from pynenc.trigger.conditions.event import EventCondition
from pynenc.trigger.conditions.exception import ExceptionCondition
from pynenc.trigger.conditions.result import ResultCondition
from pynenc.trigger.conditions.status import StatusCondition
from pynenc.trigger.cron import CronSchedule
from pynenc.trigger.definition import StoredTrigger, TriggerDefinition
from pynenc.trigger.records import pause_mark, tick_mark

FindLive = Callable[[StoredTrigger], TriggerDefinition | None]
"""Gives the definition that the code of this process has for a stored trigger, if it has one."""


@dataclass(frozen=True, slots=True)
class CronEntry:
    """A cron condition of a trigger.

    Attributes:
        trigger_id: Whose.
        index: The number of the condition.
        condition: The condition.
        schedule: Its ticks.
    """

    trigger_id: str
    index: int
    condition: CronCondition
    schedule: CronSchedule

    @property
    def mark(self) -> str:
        """The name of the mark that holds the last tick."""
        return tick_mark(self.trigger_id, self.index)


@dataclass(slots=True)
class _Known:
    stored: dict[str, StoredTrigger] = field(default_factory=dict)
    waiting: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    statuses: dict[str, set[InvocationStatus]] = field(default_factory=lambda: defaultdict(set))
    crons: list[CronEntry] = field(default_factory=list)
    paused: frozenset[str] = frozenset()


class TriggerCatalog:
    """The stored triggers, read now and then.

    Args:
        store: Gives the store; it is asked late, so that an app without triggers opens none.
        find_live: Gives what the code of this process says of a trigger.

    Attributes:
        read_at: When the store was read (monotonic seconds).
        awaits_statuses: Whether any trigger waits for a status of an invocation.
    """

    def __init__(self, store: Callable[[], BaseTrigger], find_live: FindLive) -> None:
        self._store = store
        self._find_live = find_live
        self._lock = threading.Lock()
        self._known = _Known()
        self.read_at = float("-inf")
        self.awaits_statuses = False
        self._definitions: dict[str, TriggerDefinition] = {}

    # --- reading -----------------------------------------------------------------------

    def expire(self) -> None:
        """Read anew at the next use."""
        self.read_at = float("-inf")

    def refresh(self, older_than_s: float = 0.0) -> None:
        """Read the store, if that was longer ago than this."""
        if time.monotonic() - self.read_at < older_than_s:
            return
        with self._lock:
            if time.monotonic() - self.read_at >= older_than_s:
                self._known = self._read()
                self.awaits_statuses = bool(self._known.statuses)
                self.read_at = time.monotonic()

    def _read(self) -> _Known:
        store = self._store()
        known = _Known({trigger.trigger_id: trigger for trigger in store.find_definitions()})
        if known.stored:
            ids = list(known.stored)
            marks = store.read_marks([pause_mark(each) for each in ids])
            known.paused = frozenset(each for each, mark in zip(ids, marks, strict=True) if mark is not None)
        for trigger_id, stored in known.stored.items():
            for index, condition in enumerate(TriggerDefinition.restored(stored).conditions):
                _note(known, trigger_id, index, condition)
        self._definitions = {
            trigger_id: found for trigger_id, found in self._definitions.items() if trigger_id in known.stored
        }
        return known

    # --- asking ------------------------------------------------------------------------

    def is_of_interest(self, task_id: str, status: InvocationStatus) -> bool:
        """Return whether a trigger waits for this status of this task; an empty task stands for any."""
        statuses = self._known.statuses
        if not statuses:
            return False
        if not task_id:
            return any(status in wanted for wanted in statuses.values())
        wanted = statuses.get(task_id)
        return wanted is not None and status in wanted

    def waiting_for(self, kind: str, code: str) -> list[str]:
        """Return the ids of the triggers that wait for occurrences of a kind with a code, in order."""
        return sorted(self._known.waiting.get((kind, code), set()) - self._known.paused)

    def crons(self) -> list[CronEntry]:
        """Return the cron conditions of triggers that are not paused."""
        return [each for each in self._known.crons if each.trigger_id not in self._known.paused]

    def stored(self) -> list[StoredTrigger]:
        """Return all triggers."""
        return list(self._known.stored.values())

    def is_paused(self, trigger_id: str) -> bool:
        """Return whether a trigger is paused."""
        return trigger_id in self._known.paused

    def definition(self, trigger_id: str) -> TriggerDefinition | None:
        """Return the definition, with the functions of this process where it has them; None if it is gone."""
        found = self._definitions.get(trigger_id)
        if found is None:
            stored = self._known.stored.get(trigger_id)
            if stored is None:
                return None
            found = self._find_live(stored) or TriggerDefinition.restored(stored)
            self._definitions[trigger_id] = found
        return found


def _note(known: _Known, trigger_id: str, index: int, condition: Condition) -> None:
    if isinstance(condition, EventCondition):
        known.waiting["event", condition.code].add(trigger_id)
    elif isinstance(condition, CronCondition):
        schedule = CronSchedule(condition.expression, condition.timezone)
        known.crons.append(CronEntry(trigger_id, index, condition, schedule))
        known.waiting["tick", trigger_id].add(trigger_id)
    elif isinstance(condition, (StatusCondition, ResultCondition, ExceptionCondition)):
        known.waiting["status", condition.task_id].add(trigger_id)
        known.statuses[condition.task_id].update(statuses_of(condition))


def statuses_of(
    condition: StatusCondition | ResultCondition | ExceptionCondition,
) -> tuple[InvocationStatus, ...]:
    """Return the statuses at which a condition may be met."""
    if isinstance(condition, StatusCondition):
        return condition.statuses
    is_result = isinstance(condition, ResultCondition)
    return (InvocationStatus.SUCCESS if is_result else InvocationStatus.FAILED,)
