"""The recorder of a process: notes what happens in next to no time, and adds it up later."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from pynenc.recording.counts import BOUNDS, Counts, Histogram, key_of

STARTED, ENDED = "started", "ended"
RETRIED, PARKED, PAUSED, RECOVERED = "retried", "parked", "paused", "recovered"
LOST, REROUTED = "lost", "rerouted"
STEP, FIRED, HOOK_FAILED = "step", "fired", "hook_failed"
REQUEST, LAG = "request", "lag"
DROPPED = "dropped"
_BY_TASK = frozenset((RETRIED, PARKED, PAUSED, RECOVERED))
_BARE = frozenset((LOST, REROUTED))
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
    """

    def __init__(self, is_on: bool = True) -> None:
        self.events: deque[Event] = deque(maxlen=_MOST_NOTED)
        self.note: Callable[[Event], None] = self.events.append if is_on else _ignore
        self.keeper: object | None = None
        self._counts = Counts()
        self._tasks: set[str] = set()
        self._queues: set[str] = set()
        self._others: set[str] = set()
        self._lock = threading.Lock()

    def drain(self) -> Counts:
        """Add up what has happened since the last time; return all counts of this process."""
        with self._lock:
            if len(self.events) == _MOST_NOTED:
                self._count(DROPPED)
            for _ in range(len(self.events)):
                self._add(self.events.popleft())
            return self._counts.copy()

    def _add(self, event: Event) -> None:
        kind, task, queue, status, seconds = event
        if kind in _BARE:
            self._count(kind)
            return
        if kind in (REQUEST, LAG):
            self._observe(kind, seconds, *([status] if status else []))
            return
        if not (kind in _BY_TASK or kind in (STARTED, ENDED)):
            self._count(kind, self._known(status, self._others, _MOST_OTHERS))
            return
        task = self._known(task, self._tasks, _MOST_TASKS)
        queue = self._known(queue, self._queues, _MOST_QUEUES)
        if kind == STARTED:
            self._count(STARTED, task, queue)
            if seconds >= 0:
                self._observe("wait", seconds, task, queue)
        elif kind == ENDED:
            self._count(ENDED, task, queue, status)
            self._observe("run", seconds, task, status)
        else:
            self._count(kind, task)

    def _known(self, name: str, known: set[str], most: int) -> str:
        """Return a name, or `other` if there are too many."""
        if name in known:
            return name
        if len(known) >= most:
            self._count(DROPPED)
            return OTHER
        known.add(name)
        return name

    def _count(self, name: str, *labels: str) -> None:
        key = key_of(name, labels)
        self._counts.counters[key] = self._counts.counters.get(key, 0) + 1

    def _observe(self, name: str, seconds: float, *labels: str) -> None:
        key = key_of(name, labels)
        histogram = self._counts.histograms.get(key)
        if histogram is None:
            histogram = self._counts.histograms[key] = Histogram()
        histogram.buckets[bisect_left(BOUNDS, seconds)] += 1
        histogram.total += seconds


def _ignore(event: Event) -> None:
    """Do nothing."""
