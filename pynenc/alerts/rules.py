"""The rules: what is wrong with an app, and for whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple

from pynenc.conf.config_alerts import Bounds, RuleSettings
from pynenc.identifiers.texts import bare_name
from pynenc.invocation.state import InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.count_keeping import all_counts
from pynenc.lifecycle.failures import failure_groups
from pynenc.metrics.history import quantile
from pynenc.metrics.readings import AVAILABLE, RECENT_S, Readings
from pynenc.recording.counts import BOUNDS, Counts, parts_of
from pynenc.recording.recorder import ENDED, LAG, RECOVERED, REQUEST
from pynenc.state_backend.failure_records import FailureState

APP = "app"
"""The subject of what concerns the app as a whole."""

_LEAST_ENDS = 20
_LOST_S = 600.0
_MOST_STUCK = 1000
_LONG_RUN_S = 600.0
_TIMES_P99 = 20.0
_TIMES_PENDING = 3.0
_NEW_S = 600.0
_MOST_FAILURES = 200


class Finding(NamedTuple):
    """Something that is wrong now.

    Attributes:
        subject: What it is about.
        value: The value that is beyond the bound.
        text: The finding in words.
    """

    subject: str
    value: float
    text: str


class Look:
    """A look at an app for rules.

    Args:
        components: The components.
        settings: The settings of the rule that looks.
        default: Its bounds where the settings say nothing.
        readings: The readings that rules share.
    """

    def __init__(
        self, components: Components, settings: RuleSettings, default: Bounds, readings: Readings
    ) -> None:
        self.components = components
        self.readings = readings
        self._settings = settings
        self._default = default

    def over(self, subject: str) -> float:
        """Return the value beyond which something is wrong with a subject."""
        return self._first(subject, lambda bounds: bounds.over)

    def wait(self, subject: str) -> float:
        """Return for how many seconds it has to be wrong."""
        return self._first(subject, lambda bounds: bounds.wait)

    def _first(self, subject: str, value_of: Callable[[Bounds], float | None]) -> float:
        """Return a bound of a subject, of the rule, or by default: the first that is set."""
        for bounds in (self._settings.subjects.get(subject), self._settings, self._default):
            value = value_of(bounds) if bounds is not None else None
            if value is not None:
                return value
        return 0.0


class Rule(NamedTuple):
    """A rule.

    Attributes:
        default: Its bounds where the settings say nothing.
        find: Finds what is wrong.
        is_on: Whether it is looked at where the settings do not say.
    """

    default: Bounds
    find: Callable[[Look], Iterator[Finding]]
    is_on: bool = True


def _queue_age(look: Look) -> Iterator[Finding]:
    for queue, age in look.readings.ages.items():
        if age > look.over(queue):
            yield Finding(
                queue, age, f"the oldest call that is due in queue '{queue}' has waited {age:.0f} s"
            )


def _no_consumer(look: Look) -> Iterator[Finding]:
    for queue, depth in look.readings.depths.items():
        if depth.ready > look.over(queue) and not look.readings.consumers.get(queue):
            text = f"{depth.ready:,} message(s) wait in queue '{queue}', and no live runner consumes it"
            yield Finding(queue, depth.ready, text)


def _no_runner(look: Look) -> Iterator[Finding]:
    if look.readings.alive:
        return
    orchestrator = look.components.orchestrator
    waiting = sum(bool(orchestrator.find_states(each, look.readings.now, 1)) for each in AVAILABLE)
    if waiting:
        yield Finding(APP, 0, "calls wait, and no runner is alive")


def _no_leader(look: Look) -> Iterator[Finding]:
    if look.readings.alive and look.readings.leader is None:
        yield Finding(APP, 0, "runners are alive, and none does the housekeeping")


def _failure_rate(look: Look) -> Iterator[Finding]:
    ends: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    for key, number in look.readings.recent(RECENT_S).counters.items():
        kind, labels = parts_of(key)
        if kind == ENDED and len(labels) == 3:
            ends[labels[0]] += number
            if labels[2] == InvocationStatus.FAILED.value:
                failures[labels[0]] += number
    for task, number in ends.items():
        share = failures[task] / number if number >= _LEAST_ENDS else 0.0
        if share > look.over(task):
            text = f"{share:.0%} of the calls of {task} that ended in the last 5 minutes have failed"
            yield Finding(task, share, f"{text} ({failures[task]:,} of {number:,})")


def _new_failure(look: Look) -> Iterator[Finding]:
    since = look.readings.now - _NEW_S
    for group in failure_groups(look.components, since, _MOST_FAILURES):
        if group.state == FailureState.MUTED or not (group.first_at >= since or group.is_back):
            continue
        what = "is back, although it was resolved" if group.is_back else "is new"
        where = f" at {group.place}" if group.place else ""
        text = f"{bare_name(group.type_name)} in {group.task_id}{where} {what} (failures {group.group_id})"
        yield Finding(group.group_id, 1, text)


def _stuck(look: Look) -> Iterator[Finding]:
    yield from _stuck_pending(look)
    now, states = look.readings.now, look.components.orchestrator.find_states
    running = states(InvocationStatus.RUNNING, now - look.components.conf.dead_after_seconds, _MOST_STUCK)
    if not running:
        return
    invocations = look.components.state_backend.read_invocations([each.invocation_id for each in running])
    long = {each.task_id for each in running if now - each.since > _LONG_RUN_S}
    usual = _long_runs(all_counts(look.components), long) if long else {}
    for state, data in zip(running, invocations, strict=True):
        ran = now - state.since
        bound = look.over(state.invocation_id)
        if data is not None and data.timeout is not None:
            bound = min(bound, data.timeout + look.components.conf.dead_after_seconds)
        elif state.task_id in usual:
            bound = min(bound, max(_LONG_RUN_S, _TIMES_P99 * usual[state.task_id]))
        if ran > bound:
            yield _stuck_finding(state, ran, "has run")


def _stuck_pending(look: Look) -> Iterator[Finding]:
    now, longest = look.readings.now, _TIMES_PENDING * look.components.conf.max_pending_seconds
    states = look.components.orchestrator.find_states
    for state in states(InvocationStatus.PENDING, now - longest, _MOST_STUCK):
        yield _stuck_finding(state, now - state.since, "was claimed and has not begun")


def _stuck_finding(state: InvocationState, seconds: float, what: str) -> Finding:
    text = f"invocation {state.invocation_id} of task {state.task_id} {what} for {seconds:.0f} s"
    return Finding(state.invocation_id, seconds, f"{text}, on runner {state.runner_id}")


def _long_runs(counts: Counts, task_ids: Collection[str]) -> Mapping[str, float]:
    """Return the time within which 99 of 100 runs of tasks have ended, in seconds, where some have."""
    found = {task: quantile(counts.times("run", task), 0.99) for task in task_ids}
    return {task: seconds for task, seconds in found.items() if seconds is not None}


def _runner_lost(look: Look) -> Iterator[Finding]:
    orchestrator, now = look.components.orchestrator, look.readings.now
    lost = sorted(set(orchestrator.live_runners(now - _LOST_S)) - set(look.readings.alive))
    found = look.components.state_backend.read_runners(lost)
    hosts = Counter(each.hostname for each in found if each is not None)
    for host, number in hosts.items():
        if number > look.over(host):
            yield Finding(
                host, number, f"{number} runners on {host} have fallen silent in the last 10 minutes"
            )


def _recovery_storm(look: Look) -> Iterator[Finding]:
    number = sum(look.readings.recent(RECENT_S).numbers_by(RECOVERED, 0).values())
    if number > look.over(APP):
        yield Finding(
            APP, number, f"{number:,} invocations were taken from lost runners in the last 5 minutes"
        )


def _clock(look: Look) -> Iterator[Finding]:
    names = {each.runner_id: each.hostname for each in look.readings.runners}
    ahead: dict[str, float] = {}
    for load in look.readings.loads:
        host = names.get(load.runner_id, load.runner_id)
        ahead[host] = max(ahead.get(host, 0.0), load.clock_s, key=abs)
    for host, seconds in ahead.items():
        if abs(seconds) > look.over(host):
            how = "behind" if seconds > 0 else "ahead of"
            yield Finding(
                host, seconds, f"the clock of {host} is {abs(seconds):.1f} s {how} the shared clock"
            )


def _schedule_late(look: Look) -> Iterator[Finding]:
    times = look.readings.recent(RECENT_S).times(LAG)
    late = sum(
        number for bound, number in zip((0.0, *BOUNDS), times.buckets, strict=True) if bound >= look.over(APP)
    )
    if late:
        text = f"{late} tick(s) of schedules in the last 5 minutes came more than {look.over(APP):g} s late"
        yield Finding(APP, late, text)


def _storage_slow(look: Look) -> Iterator[Finding]:
    seconds = quantile(look.readings.recent(RECENT_S).times(REQUEST), 0.95)
    if seconds is not None and seconds > look.over(APP):
        yield Finding(APP, seconds, f"requests to the store take {seconds:.2g} s (95th percentile)")


def _bounds(over: float, wait: float) -> Bounds:
    return Bounds(over=over, wait=wait)


RULES: Mapping[str, Rule] = {
    "queue_age": Rule(_bounds(300, 60), _queue_age),
    "no_consumer": Rule(_bounds(0, 60), _no_consumer),
    "no_runner": Rule(_bounds(0, 30), _no_runner),
    "no_leader": Rule(_bounds(0, 300), _no_leader),
    "failure_rate": Rule(_bounds(0.2, 0), _failure_rate),
    "stuck": Rule(_bounds(86400, 0), _stuck),
    "runner_lost": Rule(_bounds(3, 0), _runner_lost),
    "recovery_storm": Rule(_bounds(50, 0), _recovery_storm),
    "clock": Rule(_bounds(1, 30), _clock),
    "schedule_late": Rule(_bounds(60, 0), _schedule_late),
    "storage_slow": Rule(_bounds(1, 0), _storage_slow),
    "new_failure": Rule(_bounds(0, 0), _new_failure, is_on=False),
}
"""The rules, by name."""
