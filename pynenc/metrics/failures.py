"""Failures in groups, with how often they happened."""

from __future__ import annotations

from dataclasses import dataclass

from pynenc.lifecycle.components import Components
from pynenc.lifecycle.failures import failure_groups
from pynenc.metrics.history import rollups_of
from pynenc.recording.counts import parts_of
from pynenc.recording.recorder import ENDED, FAILURE
from pynenc.state_backend.failure_records import FailureGroup, FailureState

MOST_GROUPS = 1000
"""The most groups that are told at once."""

POINTS = 24
"""The number of steps in which failures are counted."""

_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class GroupActivity:
    """A group of failures, and how often it has failed in a time.

    Attributes:
        group: The group.
        count: The failed attempts of the time, as far as they were rolled up, about a minute after they
            happened.
        points: The same in 24 steps, oldest first.
        runs: The invocations of its task that have ended in the time.
    """

    group: FailureGroup
    count: int
    points: tuple[int, ...]
    runs: int

    def is_new(self, since: float) -> bool:
        """Return whether it failed for the first time at a moment or later."""
        return self.group.first_at >= since


def failures(
    components: Components, seconds: float, limit: int = 200, with_decided: bool = False
) -> list[GroupActivity]:
    """Return the groups that have failed in the last seconds, those that failed last first.

    Args:
        components: The components.
        seconds: How many.
        limit: The largest number to return, up to 1,000.
        with_decided: Whether those that are muted, or resolved and not back, are among them.

    Raises:
        ValueError: The time is not longer than nothing, or the limit is not a number from 1 to 1,000.
    """
    if not 0 < seconds < float("inf"):
        raise ValueError(f"the time must be more than 0 s, not {seconds:g} s")
    if isinstance(limit, bool) or not isinstance(limit, int) or not 0 < limit <= MOST_GROUPS:
        raise ValueError(f"'limit' is a whole number from 1 to {MOST_GROUPS:,}, not {limit!r}")
    now = components.now()
    found = failure_groups(components, now - seconds, MOST_GROUPS)
    if not with_decided:
        found = [each for each in found if each.state == FailureState.OPEN or each.is_back]
    return with_counts(components, found[:limit], now - seconds, now)


def with_counts(
    components: Components, groups: list[FailureGroup], since: float, until: float
) -> list[GroupActivity]:
    """Return groups with how often they have failed in a time."""
    points = {each.group_id: [0] * POINTS for each in groups}
    runs = dict.fromkeys((each.task_id for each in groups), 0)
    step_s = (until - since) / POINTS
    for rollup in rollups_of(components, since, until, step_s >= _HOUR_S) if groups else ():
        at = min(POINTS - 1, max(0, int((rollup.at - 1e-3 - since) / step_s)))
        for key, number in rollup.counts.counters.items():
            if not key.startswith((FAILURE, ENDED)):
                continue
            kind, labels = parts_of(key)
            if kind == FAILURE and labels[0] in points:
                points[labels[0]][at] += number
            elif kind == ENDED and labels[0] in runs:
                runs[labels[0]] += number
    return [
        GroupActivity(each, sum(points[each.group_id]), tuple(points[each.group_id]), runs[each.task_id])
        for each in groups
    ]
