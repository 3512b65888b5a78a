"""A crash at every point of evaluation: each trigger starts its task once all the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from pynenc.app import Pynenc
from pynenc.invocation.status import InvocationStatus
from pynenc.task import Task
from pynenc.testing import kit_functions
from pynenc.testing.app_fixtures import AppFixtures
from pynenc.testing.crash_scenarios import Life
from pynenc.testing.crash_suite import check, settle
from pynenc.testing.evaluating import Evaluating, fired
from pynenc.testing.faulty_storage import CrashPlan, SimulatedCrash, put_faulty
from pynenc.trigger import TriggerBuilder, on_cron, on_event, on_status
from pynenc.trigger.cron import CronSchedule
from pynenc.trigger.records import RunState

_DAY_S = 86400.0
_ROUNDS = 6


@dataclass
class TriggeredLife(Life):
    """A life with triggers.

    Attributes:
        plan: Puts the clock forward.
        emitted: Ids of the events whose emission came back.
        ticking_since: From when on the ticks of a cron count, once that is certain.
        looked_at: When a healthy runner looked last.
    """

    plan: CrashPlan = field(default_factory=CrashPlan)
    emitted: list[str] = field(default_factory=list)
    ticking_since: float | None = None
    looked_at: float = 0.0

    def follow(self, trigger: TriggerBuilder) -> Task[..., Any]:
        """Return a task that a trigger starts."""
        task: Task[..., Any] = self.app.task(triggers=trigger)(kit_functions.follow)
        self.app.register_deferred_triggers()
        return task

    def emit(self, code: str, **payload: int) -> None:
        """Emit an event, and note that it was accepted."""
        self.emitted.append(self.app.trigger.emit_event(code, payload))


def events(life: TriggeredLife) -> None:
    """Events are emitted and evaluated."""
    life.follow(on_event("code"))
    for number in range(2):
        life.emit("code", x=number)
    Evaluating(life.app).work()


def statuses(life: TriggeredLife) -> None:
    """An invocation ends, which starts another."""
    source = life.task()
    life.follow(on_status(source))
    life.submit(source, 1)
    life.end(life.start(life.claim()))
    Evaluating(life.app).work()


def composites(life: TriggeredLife) -> None:
    """An event and a status together start a task."""
    source = life.task()
    life.follow(TriggerBuilder().on_event("code").on_status(source).with_logic("and"))
    life.emit("code", y=1)
    Evaluating(life.app).work()
    life.submit(source, 1)
    life.end(life.start(life.claim()))
    Evaluating(life.app).work()


def ticks(life: TriggeredLife) -> None:
    """The clock ticks."""
    life.follow(on_cron("0 0 * * *", misfire="fire_all"))
    evaluating = Evaluating(life.app)
    evaluating.work()
    life.ticking_since = life.app.trigger.now()
    life.plan.clock_offset_s += 2 * _DAY_S
    evaluating.work()


def pauses(life: TriggeredLife) -> None:
    """A trigger is paused and resumed."""
    life.follow(on_event("code"))
    (stored,) = life.app.trigger.find_definitions()
    life.app.trigger.pause(stored.trigger_id)
    life.app.trigger.resume(stored.trigger_id)
    life.emit("code", x=1)
    Evaluating(life.app).work()


SCENARIOS: list[Callable[[TriggeredLife], None]] = [events, statuses, composites, ticks, pauses]


class TriggerCrashSuite(AppFixtures):
    """Each trigger starts its task once for each occurrence, at every crash point."""

    @pytest.mark.timeout(600)  # each crash point is a life of its own
    @pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
    def test_a_crash_of_an_evaluator_starts_nothing_twice(
        self, app: Pynenc, scenario: Callable[[TriggeredLife], None]
    ) -> None:
        plan = put_faulty(app)
        plan.arm(None)
        scenario(TriggeredLife(app, plan=plan))
        steps = plan.steps
        assert steps > 0
        for number in range(steps):
            for after in (False, True):
                plan.arm(None)
                app.purge()
                life = TriggeredLife(app, plan=plan)
                plan.arm(number, after)
                with pytest.raises(SimulatedCrash):
                    scenario(life)
                plan.arm(None)
                place = f"{scenario.__name__}: died {'after' if after else 'before'} operation {number}"
                _heal(life)
                check(life, place)
                _check_runs(life, place)


def _heal(life: TriggeredLife) -> None:
    """Let a healthy runner register, evaluate and run, until nothing is left to do."""
    app = life.app
    app.register_deferred_triggers()
    for stored in app.trigger.find_definitions():
        app.trigger.resume(stored.trigger_id)
    healthy = Evaluating(app, "r9")
    for _ in range(_ROUNDS):
        life.plan.clock_offset_s += 60
        life.looked_at = app.trigger.now()
        healthy.work()
        settle(life, life.plan)
        if not app.trigger.open_occurrences(1):
            return
    raise AssertionError("something stays open")


def _check_runs(life: TriggeredLife, place: str) -> None:
    app = life.app
    (task,) = [task for task in app.tasks.values() if task.task_id.func_name == "follow"]
    runs = fired(app, task)
    assert app.trigger.find_runs(state=RunState.FIRING) == [], f"{place}: a run is left half done"
    uses = Counter(cause for run in runs for cause in msgspec.json.decode(run.occurrences))
    started = [each.invocation_id for each in app.find_invocations(task=task, limit=100)]
    assert sorted(started) == sorted(run.invocation_id for run in runs), f"{place}: runs and starts differ"
    assert set(uses.values()) <= {1}, f"{place}: an occurrence counted twice"
    events = {each.event_id for each in app.trigger.find_events("code")}
    assert set(life.emitted) <= events, f"{place}: an accepted event is lost"
    ends = [
        each for each in app.find_invocations(statuses=[InvocationStatus.SUCCESS]) if each.task is not task
    ]
    (stored,) = app.trigger.find_definitions()
    expected = {
        "event": len(events),
        "status": len(ends),
        "event,status": min(len(events), len(ends)),
        "cron": len(runs),
    }
    kinds = ",".join(each["kind"] for each in msgspec.json.decode(stored.conditions))
    assert len(runs) == expected[kinds], f"{place}: one did not start its task"
    if life.ticking_since is not None:
        ticks = list(CronSchedule("0 0 * * *").between(life.ticking_since, life.looked_at))
        assert [run.cause for run in runs] == [
            f"tick of {datetime.fromtimestamp(tick, UTC).isoformat()}" for tick in ticks
        ], place
