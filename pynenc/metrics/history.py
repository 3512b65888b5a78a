"""The history of an app: what was counted when."""

from __future__ import annotations

from dataclasses import dataclass

from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.rollups import SUBMITTED
from pynenc.recording.counts import BOUNDS, Counts, Histogram, parts_of
from pynenc.recording.recorder import ENDED, RETRIED, STARTED
from pynenc.state_backend.count_records import HOUR, MINUTE, Rollup
from pynenc.storage.record_store import Lookup

MOST_POINTS = 1000
_HOUR_S = 3600.0
_WITHIN_S = 1e-3


@dataclass(frozen=True, slots=True)
class Activity:
    """The work of a time, as far as it was counted.

    Attributes:
        begun: The beginning of the time, in seconds since the epoch.
        until: The end of it.
        submitted: The invocations that were submitted.
        started: The runs of bodies that have begun.
        succeeded: The invocations that have ended well.
        failed: The invocations that have failed.
        ended: All invocations that have ended.
        retried: The failed runs after which another follows.
        run_s: The mean time of a run in seconds; None if none has ended.
        run_p95_s: The time within which about 95 of 100 runs have ended, in seconds; None likewise.
    """

    begun: float
    until: float
    submitted: int
    started: int
    succeeded: int
    failed: int
    ended: int
    retried: int
    run_s: float | None
    run_p95_s: float | None


def history(
    components: Components, since: float, until: float, step_s: float, task_id: str | None = None
) -> list[Activity]:
    """Return what was done in each step of a time, oldest first.

    A count belongs to the step in which it was rolled up, about a minute after it happened. Where only the
    hours are left, the counts of an hour belong to the step in which it begins.

    Args:
        components: The components.
        since: The beginning, in seconds since the epoch.
        until: The end, likewise.
        step_s: The length of a step in seconds.
        task_id: Only this task; None for all.

    Raises:
        ValueError: The step is not longer than nothing, or there would be more than 1,000 steps.
    """
    if not step_s > 0:
        raise ValueError(f"the step must be more than 0 s, not {step_s:g} s")
    if not (until - since) / step_s <= MOST_POINTS:
        raise ValueError(
            f"{(until - since) / step_s:.0f} steps of {step_s:g} s are too many: choose a step of at least "
            f"{(until - since) / MOST_POINTS:.0f} s"
        )
    steps: list[Counts] = []
    while since + len(steps) * step_s < until:
        steps.append(Counts())
    for each in rollups_of(components, since, until):
        if since < each.at <= until and steps:
            moment = each.begun if each.span == HOUR else each.at - _WITHIN_S
            steps[min(max(0, int((moment - since) / step_s)), len(steps) - 1)].add(each.counts)
    return [
        activity(counts, since + at * step_s, min(since + (at + 1) * step_s, until), task_id)
        for at, counts in enumerate(steps)
    ]


def rollups_of(
    components: Components, since: float, until: float, prefers_hours: bool = False
) -> list[Rollup]:
    """Return the minutes of a time as far back as they are kept, and hours before them.

    Args:
        components: The components.
        since: The beginning, in seconds since the epoch.
        until: The end, likewise.
        prefers_hours: Whether hours are returned wherever they are closed, because there are fewer.
    """
    store = components.state_backend
    kept = components.now() - components.conf.rollup_minutes_hours * _HOUR_S
    first_minute = max(since, (kept // _HOUR_S + 1) * _HOUR_S) if since < kept else since
    if prefers_hours:
        closed = store.find(Rollup, Lookup(Rollup, {"span": HOUR}, newest_first=True), 1)
        first_minute = max(first_minute, closed[0].at + _WITHIN_S) if closed else first_minute
    minutes = store.find_all(Rollup, Lookup(Rollup, {"span": MINUTE}, first_minute, until + 1.0))
    if first_minute <= since:
        return minutes
    hours = store.find_all(Rollup, Lookup(Rollup, {"span": HOUR}, since, min(first_minute, until) + 1.0))
    return [*hours, *minutes]


def activity(counts: Counts, begun: float, until: float, task_id: str | None = None) -> Activity:
    """Return counts as what was done in a time.

    Args:
        counts: The counts.
        begun: The beginning of the time, in seconds since the epoch.
        until: The end of it.
        task_id: Only this task; None for all.
    """
    numbers = dict.fromkeys((SUBMITTED, STARTED, RETRIED, ENDED, "succeeded", "failed"), 0)
    named = {InvocationStatus.SUCCESS.value: "succeeded", InvocationStatus.FAILED.value: "failed"}
    for key, number in counts.counters.items():
        kind, labels = parts_of(key)
        if kind not in numbers or (task_id is not None and labels[:1] != [task_id]):
            continue
        numbers[kind] += number
        if kind == ENDED and labels[-1] in named:
            numbers[named[labels[-1]]] += number
    times = counts.times("run", task_id)
    return Activity(
        begun,
        until,
        numbers[SUBMITTED],
        numbers[STARTED],
        numbers["succeeded"],
        numbers["failed"],
        numbers[ENDED],
        numbers[RETRIED],
        times.total / times.count if times.count else None,
        quantile(times, 0.95),
    )


def quantile(times: Histogram, share: float) -> float | None:
    """Return the time within which a share of all was over, in seconds; None if there was none.

    It is interpolated within its bucket, around the mean there as far as the sum tells it, so it is about
    right; what is beyond the last bound counts as that.
    """
    wanted, below = share * times.count, 0
    if not times.count:
        return None
    for at, number in enumerate(times.buckets[:-1]):
        if number and below + number >= wanted:
            low, high = _within(times, at)
            return low + (high - low) * (wanted - below) / number
        below += number
    return BOUNDS[-1]


def _within(times: Histogram, at: int) -> tuple[float, float]:
    """Return between which times the durations in a bucket lie: around what is left of the sum for them."""
    low, high = BOUNDS[at - 1] if at else 0.0, BOUNDS[at]
    if times.total <= 0:
        return low, high
    middles = [(one + two) / 2 for one, two in zip((0.0, *BOUNDS), (*BOUNDS, 2 * BOUNDS[-1]), strict=True)]
    others = sum(
        number * middle
        for place, (number, middle) in enumerate(zip(times.buckets, middles, strict=True))
        if place != at
    )
    mean = min(max((times.total - others) / times.buckets[at], low), high)
    return max(low, 2 * mean - high), min(high, 2 * mean - low)
