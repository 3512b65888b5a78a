"""Rollups: what was counted in each minute and in each hour.

The leader writes the difference between all counts and what is in the rollups already, as a record with the
next number, and then brings the record of what is in them up to it. Whoever dies in between leaves a rollup
that is ahead of that record by one, and the next leader brings it up first. Of two leaders one writes the
next number. So nothing is in two rollups, and nothing is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pynenc.invocation.data import InvocationData
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.count_keeping import all_counts
from pynenc.recording.counts import Counts, decoded, key_of, parts_of
from pynenc.recording.recorder import OTHER, STARTED
from pynenc.state_backend.count_records import HOUR, MINUTE, ROLLED_UP, RolledUp, Rollup
from pynenc.storage.operations import Scalar
from pynenc.storage.record_store import Amend, Lookup, Save

SUBMITTED = "submitted"
"""The counter of what was submitted, which the leader counts by the times of the invocations."""

_SETTLED_S = 5.0
_MOST_TASKS = 200
_MOST_COUNTED = 1_000_000
_HOUR_S = 3600.0


def roll_up(components: Components, tasks: Sequence[str]) -> None:
    """Write what has happened since the last rollup, and close the hours that are over.

    Args:
        components: The components.
        tasks: The tasks whose submissions are counted one by one, besides those that have run.
    """
    rolled = _restored(components)
    until = components.now() - _SETTLED_S
    counts = all_counts(components)
    if rolled is None:  # all that was counted until now goes into the first minute
        components.state_backend.write([Save(RolledUp(ROLLED_UP, 0, 0.0, Counts().encoded()))])
        rolled = read_rolled_up(components)
    if rolled is None:
        return
    if until <= rolled.at:
        return
    known = decoded(rolled.data)
    activity = _risen(counts, known)
    activity.add(_submitted(components, rolled.at, until, [*tasks, *_tasks_of(counts)]))
    data = Counts(
        {**counts.counters, **_sum_of(submitted_counts(rolled), activity).counters}, counts.histograms
    )
    values: dict[str, Scalar] = {"at": until, "data": data.encoded()}
    if activity != Counts():
        seq = rolled.seq + 1
        rollup = Rollup(f"{MINUTE}:{seq:012d}", MINUTE, until, rolled.at, seq, activity.encoded())
        if not components.state_backend.write([Save(rollup)])[0]:
            return  # another leader has
        values |= {"seq": seq}
    _advance(components, rolled, values)
    _close_hours(components, until)


def read_rolled_up(components: Components) -> RolledUp | None:
    """Return what is in the rollups, None if there is none yet."""
    return components.state_backend.read(RolledUp, [ROLLED_UP])[0]


def submitted_counts(rolled: RolledUp | None) -> Counts:
    """Return how many invocations were submitted, by task, up to the last rollup."""
    if rolled is None:
        return Counts()
    counters = decoded(rolled.data).counters
    return Counts({key: number for key, number in counters.items() if parts_of(key)[0] == SUBMITTED})


def _sum_of(submitted: Counts, activity: Counts) -> Counts:
    """Return how many invocations were submitted in all, with those of a new rollup."""
    counters = {key: each for key, each in activity.counters.items() if parts_of(key)[0] == SUBMITTED}
    submitted.add(Counts(counters))
    return submitted


def _restored(components: Components) -> RolledUp | None:
    """Return what is in the rollups, after bringing it up to the last of them."""
    store, rolled = components.state_backend, read_rolled_up(components)
    if rolled is None:
        return None
    (ahead,) = store.read(Rollup, [f"{MINUTE}:{rolled.seq + 1:012d}"])
    if ahead is None:
        return rolled
    data = decoded(rolled.data)
    data.add(ahead.counts)
    _advance(components, rolled, {"seq": ahead.seq, "at": max(ahead.at, rolled.at), "data": data.encoded()})
    return read_rolled_up(components)


def _advance(components: Components, rolled: RolledUp, values: Mapping[str, Scalar]) -> None:
    guard: dict[str, Scalar] = {"seq": rolled.seq, "at": rolled.at}
    components.state_backend.write([Amend(RolledUp, ROLLED_UP, values, guard)])


def _risen(counts: Counts, known: Counts) -> Counts:
    """Return what has been counted since; counts that have fallen were deleted, and begin anew."""
    before = Counts(
        {key: number for key, number in known.counters.items() if counts.counters.get(key, 0) >= number},
        {
            key: each
            for key, each in known.histograms.items()
            if key in counts.histograms
            and all(new >= old for new, old in zip(counts.histograms[key].buckets, each.buckets, strict=True))
        },
    )
    return counts.without(before)


def _tasks_of(counts: Counts) -> list[str]:
    return sorted(counts.numbers_by(STARTED, 0).keys() - {OTHER})


def _submitted(components: Components, since: float, until: float, tasks: Sequence[str]) -> Counts:
    """Return how many invocations were made in a time, by task."""
    store, wanted = components.state_backend, list(dict.fromkeys(tasks))[:_MOST_TASKS]
    lookups = [
        Lookup(InvocationData, {}, since, until),
        *(Lookup(InvocationData, {"task_id": each}, since, until) for each in wanted),
    ]
    (total,) = store.count_many(lookups[:1], _MOST_COUNTED)
    if not total:
        return Counts()
    numbers = dict(zip(wanted, store.count_many(lookups[1:], _MOST_COUNTED), strict=True))
    numbers[OTHER] = max(0, total - sum(numbers.values()))
    return Counts({key_of(SUBMITTED, [task]): number for task, number in numbers.items() if number})


def _close_hours(components: Components, until: float) -> None:
    """Write the sums of the hours that are over; every minute of them is there."""
    store = components.state_backend
    last = store.find(Rollup, Lookup(Rollup, {"span": HOUR}, newest_first=True), 1)
    low = last[0].at if last else None
    while first := store.find(Rollup, Lookup(Rollup, {"span": MINUTE}, low), 1):
        end = (first[0].at // _HOUR_S + 1) * _HOUR_S
        if end > until:
            return
        counts = Counts()
        for minute in store.find_all(Rollup, Lookup(Rollup, {"span": MINUTE}, first[0].at, end)):
            counts.add(minute.counts)
        rollup = Rollup(f"{HOUR}:{end:.0f}", HOUR, end, end - _HOUR_S, 0, counts.encoded())
        store.write([Save(rollup)])
        low = end
