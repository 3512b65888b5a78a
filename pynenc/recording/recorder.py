"""The recorder of a process: notes what happens in next to no time, and adds it up later."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from pynenc.recording.counts import BOUNDS, Counts, Histogram, key_of
from pynenc.recording.failures import MOST_GROUPS, FailureNotes

STARTED, ENDED = "started", "ended"
RETRIED, PARKED, PAUSED, RECOVERED = "retried", "parked", "paused", "recovered"
LOST, REROUTED = "lost", "rerouted"
STEP, FIRED, HOOK_FAILED = "step", "fired", "hook_failed"
REQUEST, LAG = "request", "lag"
DROPPED = "dropped"
FAILURE = "failure"
"""The kind of a failed attempt; the status says to which group it belongs."""

_BARE = frozenset((LOST, REROUTED))
_TIMED = frozenset((REQUEST, LAG))
_BY_WHAT = frozenset((STEP, FIRED, HOOK_FAILED, FAILURE, *_TIMED))
OTHER = "other"

Event: TypeAlias = tuple[str, str, str, str, float]
"""What happened: the kind, the task, the queue, the status, and seconds, negative if they are not known.

Of a start the seconds are the wait before it, of an end the time that the run took. Of what has neither task
nor queue the status says which: the kind of a step or of a request, the state of a run of a trigger, or the
plugin."""

_MOST_NOTED = 200_000
_MOST_TASKS, _MOST_QUEUES, _MOST_OTHERS = 500, 100, 100


class Recorder:
    """Counts what the runners of this process do.

    Args:
        is_on: Whether it counts anything.

    Attributes:
        events: The events since the last `drain`.
        note: Notes an event; a bound method of a deque, because this is on the way of every run.
        keeper: The one who writes the counts of this process, once there is one.
        failures: The failed attempts since they were stored last.
    """

    def __init__(self, is_on: bool = True) -> None:
        self.events: deque[Event] = deque(maxlen=_MOST_NOTED)
        self.note: Callable[[Event], None] = self.events.append if is_on else _ignore
        self.keeper: object | None = None
        self.failures = FailureNotes()
        self._cells: dict[tuple[str, str, str, str], _Cell] = {}
        self._dropped = 0
        self._tasks: set[str] = set()
        self._queues: set[str] = set()
        self._others: set[str] = set()
        self._groups: set[str] = set()
        self._lock = threading.Lock()

    def drain(self) -> Counts:
        """Add up what has happened since the last time; return all counts of this process."""
        with self._lock:
            events, cells = self.events, self._cells
            if len(events) == _MOST_NOTED:
                self._dropped += 1
            for _ in range(len(events)):
                kind, task, queue, status, seconds = event = events.popleft()
                cell = cells.get((kind, task, queue, status)) or self._cell_of(event)
                cell.count += 1
                if seconds >= 0:
                    cell.buckets[bisect_left(BOUNDS, seconds)] += 1
                    cell.seconds += seconds
            return self._summed()

    def _cell_of(self, event: Event) -> _Cell:
        """Return the cell of an event that was not met yet: one of its own, or `other` if there are many."""
        kind, task, queue, status, _ = event
        many = self._dropped
        if kind in _BARE:
            place = kind, "", "", ""
        elif kind == FAILURE:
            place = kind, "", "", self._known(status, self._groups, MOST_GROUPS)
        elif kind in _BY_WHAT:
            place = kind, "", "", self._known(status, self._others, _MOST_OTHERS)
        else:
            place = kind, self._known(task, self._tasks, _MOST_TASKS), queue, status
            place = *place[:2], self._known(queue, self._queues, _MOST_QUEUES), status
        cell = self._cells.get(place)
        if cell is None:
            cell = self._cells[place] = _Cell(*_keys_of(*place))
        if many == self._dropped:
            self._cells[event[:4]] = cell
        return cell

    def _known(self, name: str, known: set[str], most: int) -> str:
        """Return a name, or `other` if there are too many."""
        if name in known:
            return name
        if len(known) >= most:
            self._dropped += 1
            return OTHER
        known.add(name)
        return name

    def _summed(self) -> Counts:
        counts = Counts()
        for cell in {id(each): each for each in self._cells.values()}.values():
            if cell.counter is not None:
                counts.counters[cell.counter] = counts.counters.get(cell.counter, 0) + cell.count
            if cell.histogram is not None and any(cell.buckets):
                times = Histogram(list(cell.buckets), cell.seconds)
                counts.add(Counts({}, {cell.histogram: times}))
        if self._dropped:
            counts.counters[DROPPED] = self._dropped
        return counts


class _Cell:
    """The sum of events of one kind with the same labels.

    Args:
        counter: The key under which they are counted, None if they are not.
        histogram: The key under which their durations are, None if they have none.
    """

    __slots__ = ("buckets", "count", "counter", "histogram", "seconds")

    def __init__(self, counter: str | None, histogram: str | None) -> None:
        self.counter, self.histogram = counter, histogram
        self.count, self.seconds = 0, 0.0
        self.buckets = [0] * (len(BOUNDS) + 1)


def _keys_of(kind: str, task: str, queue: str, status: str) -> tuple[str | None, str | None]:
    """Return the keys under which events are counted, and their durations added up."""
    if kind == STARTED:
        return key_of(kind, [task, queue]), key_of("wait", [task, queue])
    if kind == ENDED:
        return key_of(kind, [task, queue, status]), key_of("run", [task, status])
    if kind in _TIMED:
        return None, key_of(kind, [status] if status else [])
    if kind in _BARE:
        return key_of(kind, []), None
    return key_of(kind, [status] if kind in _BY_WHAT else [task]), None


def _ignore(event: Event) -> None:
    """Do nothing."""
