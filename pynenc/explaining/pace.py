"""The pace of an app: how fast a queue moves, and how long the runs of a task take."""

from __future__ import annotations

from pynenc.explaining.facts import Facts
from pynenc.explaining.findings import span
from pynenc.metrics.history import quantile
from pynenc.metrics.readings import RECENT_S, Readings
from pynenc.recording.counts import Counts
from pynenc.recording.recorder import STARTED

_LEAST_RUNS = 20


def recent(facts: Facts) -> Counts:
    """Return what was counted in the last five minutes; nothing if that cannot be told."""
    found = facts.look("the counts", lambda: Readings(facts.components).recent(RECENT_S))
    return found if found is not None else Counts()


def in_line(facts: Facts, queue: str, before: int) -> tuple[str, dict[str, object]]:
    """Return how long what is before it in a queue takes at the pace of the last minutes, and the evidence.

    Args:
        facts: The facts.
        queue: The queue.
        before: The number of messages before it.
    """
    started = recent(facts).numbers_by(STARTED, 1).get(queue, 0)
    if not started:
        return "", {"started_a_minute": 0.0}
    a_minute = started / (RECENT_S / 60)
    text = f", which has started {a_minute:.3g} a minute: about {span(before / a_minute * 60)}"
    return text, {"started_a_minute": a_minute}


def usual_run_s(facts: Facts, task_id: str) -> float | None:
    """Return the time within which 95 of 100 runs of a task ended of late, in seconds; None if few did."""
    times = recent(facts).times("run", task_id)
    return quantile(times, 0.95) if times.count >= _LEAST_RUNS else None
