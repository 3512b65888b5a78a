"""The pace of an app: how fast a queue moves, and how long the runs of a task take."""

from __future__ import annotations

from pynenc.explaining.facts import Facts
from pynenc.explaining.findings import span
from pynenc.metrics.history import quantile
from pynenc.metrics.readings import Readings
from pynenc.recording.counts import Counts, Histogram, parts_of
from pynenc.recording.recorder import STARTED

_RECENT_S = 300.0
_LEAST_RUNS = 20


def recent(facts: Facts) -> Counts:
    """Return what was counted in the last five minutes; nothing if that cannot be told."""
    found = facts.look("the counts", lambda: Readings(facts.components).recent(_RECENT_S))
    return found if found is not None else Counts()


def in_line(facts: Facts, queue: str, before: int) -> tuple[str, dict[str, object]]:
    """Return how long what is before it in a queue takes at the pace of the last minutes, and the evidence.

    Args:
        facts: The facts.
        queue: The queue.
        before: The number of messages before it.
    """
    started = sum(
        number
        for key, number in recent(facts).counters.items()
        if parts_of(key)[0] == STARTED and parts_of(key)[1][1:] == [queue]
    )
    if not started:
        return "", {"started_a_minute": 0.0}
    a_minute = started / (_RECENT_S / 60)
    text = f", which has started {a_minute:.3g} a minute: about {span(before / a_minute * 60)}"
    return text, {"started_a_minute": a_minute}


def usual_run_s(facts: Facts, task_id: str) -> float | None:
    """Return the time within which 95 of 100 runs of a task ended of late, in seconds; None if few did."""
    runs = Counts()
    for key, histogram in recent(facts).histograms.items():
        kind, labels = parts_of(key)
        if kind == "run" and labels[:1] == [task_id]:
            runs.add(Counts({}, {"": histogram}))
    times = runs.histograms.get("", Histogram())
    return quantile(times, 0.95) if times.count >= _LEAST_RUNS else None
