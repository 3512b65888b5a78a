"""The triggers of an app as this process knows them: who waits for what."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pynenc.identifiers.texts import error_text
from pynenc.invocation.state import InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.scheduler.occurrences import status_occurrence
from pynenc.storage.group import Group
from pynenc.trigger.base_trigger import BaseTrigger
from pynenc.trigger.conditions.base import Condition
from pynenc.trigger.conditions.cron import ScheduleCondition
from pynenc.trigger.conditions.event import EventCondition
from pynenc.trigger.conditions.exception import ExceptionCondition
from pynenc.trigger.conditions.result import ResultCondition
from pynenc.trigger.conditions.status import StatusCondition
from pynenc.trigger.definition import StoredTrigger, TriggerDefinition
from pynenc.trigger.records import pause_mark, tick_mark
from pynenc.trigger.schedule import Schedule

KNOWN_FOR_S = 15.0
"""How long a process may not know of a trigger that another has registered."""


class KnowsCode(Protocol):
    """Knows what the code of this process defines."""

    def live_trigger(self, stored: StoredTrigger) -> TriggerDefinition | None:
        """Return the definition that the code has for a stored trigger, if it has one."""

    def defaults_of(self, task_id: str) -> Mapping[str, Any]:
        """Return the defaults of a task's parameters; empty if the code does not have the task."""


@dataclass(frozen=True, slots=True)
class TimedEntry:
    """A condition of a trigger that a schedule meets.

    Attributes:
        trigger_id: Whose.
        task_id: The task that the trigger starts.
        index: The number of the condition.
        condition: The condition.
        schedule: Its ticks.
    """

    trigger_id: str
    task_id: str
    index: int
    condition: ScheduleCondition
    schedule: Schedule

    @property
    def mark(self) -> str:
        """The name of the mark that holds the last tick."""
        return tick_mark(self.trigger_id, self.index)


@dataclass(slots=True)
class _Known:
    stored: dict[str, StoredTrigger] = field(default_factory=dict)
    waiting: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    statuses: dict[str, set[InvocationStatus]] = field(default_factory=lambda: defaultdict(set))
    timed: list[TimedEntry] = field(default_factory=list)
    paused: frozenset[str] = frozenset()
    unreadable: dict[str, str] = field(default_factory=dict)
    has_composites: bool = False


class TriggerCatalog:
    """The stored triggers, read now and then.

    Args:
        store: Gives the store; it is asked late, so that an app without triggers opens none.
        code: Knows what the code of this process says of triggers and tasks.

    Attributes:
        quiet_until: Until when no trigger is known to wait for a status (monotonic seconds). Before
            that, `stage` has nothing to do.
    """

    def __init__(self, store: Callable[[], BaseTrigger], code: KnowsCode) -> None:
        self._store = store
        self._code = code
        self._lock = threading.Lock()
        self._known = _Known()
        self._read_at = self.quiet_until = float("-inf")
        self._expired = 0
        self._definitions: dict[str, TriggerDefinition] = {}

    # --- reading -----------------------------------------------------------------------

    def expire(self) -> None:
        """Read anew at the next use."""
        self._expired += 1
        self._read_at = self.quiet_until = float("-inf")

    def refresh(self, older_than_s: float = 0.0) -> None:
        """Read the store, if that was longer ago than this."""
        if time.monotonic() - self._read_at < older_than_s:
            return
        with self._lock:
            if time.monotonic() - self._read_at >= older_than_s:
                expired = self._expired
                self._known = self._read()
                if expired == self._expired:  # otherwise what was read may be out of date already
                    self._read_at = time.monotonic()
                    self.quiet_until = float("-inf") if self._known.statuses else self._read_at + KNOWN_FOR_S

    def _read(self) -> _Known:
        store = self._store()
        known = _Known({trigger.trigger_id: trigger for trigger in store.find_definitions()})
        if known.stored:
            ids = list(known.stored)
            marks = store.read_marks([pause_mark(each) for each in ids])
            known.paused = frozenset(each for each, mark in zip(ids, marks, strict=True) if mark is not None)
        for trigger_id, stored in known.stored.items():
            try:
                definition = TriggerDefinition.restored(stored)
                known.has_composites = known.has_composites or definition.needs_all
                for index, condition in enumerate(definition.conditions):
                    _note(known, trigger_id, stored.task_id, index, condition)
            except Exception as error:  # noqa: BLE001 - newer, damaged or hostile code has written it
                known.unreadable[trigger_id] = error_text(error)
        self._definitions = {
            trigger_id: found for trigger_id, found in self._definitions.items() if trigger_id in known.stored
        }
        return known

    # --- watching ----------------------------------------------------------------------

    def stage(self, group: Group, targets: Sequence[InvocationState]) -> None:
        """Note that records are about to get these states, as a step of a group.

        Only what a trigger waits for is noted. The occurrence is written before the change, so a
        crash between the two leaves an occurrence of something that did not happen; whoever
        evaluates it reads the record.
        """
        self.refresh(KNOWN_FOR_S)
        if self._known.statuses:
            noted = [
                status_occurrence(each) for each in targets if self.is_of_interest(each.task_id, each.status)
            ]
            if noted:
                self._store().stage_occurrences(group, noted)

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

    def timed(self) -> list[TimedEntry]:
        """Return the scheduled conditions of triggers that are not paused."""
        return [each for each in self._known.timed if each.trigger_id not in self._known.paused]

    @property
    def has_composites(self) -> bool:
        """True if a trigger needs several conditions together."""
        return self._known.has_composites

    def unreadable(self) -> dict[str, str]:
        """Return why triggers cannot be read, by their ids."""
        return self._known.unreadable

    def task_of(self, trigger_id: str) -> str:
        """Return the task that a trigger starts; empty if it is gone."""
        stored = self._known.stored.get(trigger_id)
        return stored.task_id if stored else ""

    def defaults_of(self, task_id: str) -> Mapping[str, Any]:
        """Return the defaults of a task's parameters, as far as the code of this process has the task."""
        return self._code.defaults_of(task_id)

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
            found = self._code.live_trigger(stored) or TriggerDefinition.restored(stored)
            self._definitions[trigger_id] = found
        return found


def _note(known: _Known, trigger_id: str, task_id: str, index: int, condition: Condition) -> None:
    if isinstance(condition, EventCondition):
        known.waiting["event", condition.code].add(trigger_id)
    elif isinstance(condition, ScheduleCondition):
        known.timed.append(TimedEntry(trigger_id, task_id, index, condition, condition.schedule()))
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
