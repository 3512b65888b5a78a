"""Exploring crashes: a workflow runs once for each storage operation, and dies there."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pynenc.app import Pynenc
from pynenc.invocation.state import InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle import recovery
from pynenc.lifecycle.resending import SETTLE_S
from pynenc.lifecycle.waiting import Ended, RaisedError, load_results
from pynenc.task import Task, TaskWithOptions
from pynenc.testing.faulty_storage import CrashPlan, SimulatedCrash
from pynenc.testing.rehearsal import Rehearsal, check_rehearsable, rehearsing
from pynenc.workflow.journal import StoredJournal
from pynenc.workflow.run import EVENT

_ID = "explored"
_ROUNDS = 1000

Events = Sequence[tuple[str, Mapping[str, Any] | None]]
"""The events to send, as code and payload, each when the workflow waits for it."""


@dataclass(frozen=True)
class CrashPoint:
    """A crash after which something was not as without one.

    Attributes:
        place: The operation at which the process died, in words.
        problem: The difference that it made.
        effect: The effect that happened more or less often, if that is the difference.
    """

    place: str
    problem: str
    effect: object = None

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}"


@dataclass
class CrashReport:
    """The outcome of an exploration.

    Attributes:
        points: How many crashes were tried.
        repeated: Where an effect happened more often than without a crash. Inside a step that is not
            yet recorded nothing can rule that out, so what it does should be idempotent.
        broken: Where a promise broke: another end, or an effect that was lost.
    """

    points: int = 0
    repeated: list[CrashPoint] = field(default_factory=list)
    broken: list[CrashPoint] = field(default_factory=list)

    def check(self, repeatable: Sequence[str] = ()) -> None:
        """Fail if a promise broke, or an effect was repeated that must not be.

        Args:
            repeatable: The effects that may happen again, because they are idempotent.

        Raises:
            AssertionError: Lists the crashes.
        """
        bad = [each for each in self.repeated if each.effect not in repeatable] + self.broken
        assert not bad, "\n".join(["a crash makes a difference:", *map(str, bad)])


@dataclass(frozen=True)
class _End:
    status: InvocationStatus
    value: Any
    effects: Counter[str]


def explore_crashes(
    workflow: Task[..., Any] | TaskWithOptions[..., Any],
    *args: Any,
    effects: Counter[str] | None = None,
    events: Events = (),
    same: Callable[[Any, Any], bool] = operator.eq,
    **kwargs: Any,
) -> CrashReport:
    """Run a workflow once without a crash, then once for each storage operation, dying before and after it.

    After each crash the runner's work is recovered, and another one goes on. Time is put forward to
    whatever is due next.

    Args:
        workflow: The workflow; its app must have all components in memory, for it is purged.
        args: Its arguments.
        effects: Counts what the workflow does to the world, by name: let the test's stand-ins for it
            count there. It is emptied before each run.
        events: What to send it, as code and payload, each when it waits for that.
        same: Compares the results of two runs.
        kwargs: Further arguments.

    Returns:
        What differed; `report.check()` fails if that is anything.

    Raises:
        WorkflowUsageError: A component is not in memory.
        AssertionError: Without a crash it does not end.

    Example:
        sent = Counter()
        monkeypatch.setattr(mail, "send", lambda text: sent.update(["mail"]))
        explore_crashes(order, "o1", effects=sent).check(repeatable=["mail"])
    """
    app = workflow.base_task.app
    assert isinstance(app, Pynenc)
    kept = (app.broker, app.orchestrator, app.state_backend, app.trigger, app.client_data_store)
    check_rehearsable(app, kept, only_memory=True)
    counted = Counter[str]() if effects is None else effects
    lives = _Lives(app, workflow, args, kwargs, counted, events)
    report = CrashReport()
    with rehearsing(app) as rehearsal:
        plan = rehearsal.plan
        lives.begin_anew(plan)
        whole = lives.live(rehearsal)
        for number in range(plan.steps):
            for after in (False, True):
                lives.begin_anew(plan)
                plan.arm(number, after)
                try:
                    lives.live(rehearsal)
                except SimulatedCrash:
                    plan.arm(None)
                    report.points += 1
                    _compare(report, plan.place, whole, lives, rehearsal, same)
        lives.begin_anew(plan)
    return report


def _compare(
    report: CrashReport,
    place: str,
    whole: _End,
    lives: _Lives,
    rehearsal: Rehearsal,
    same: Callable[[Any, Any], bool],
) -> None:
    """Go on after a crash, and note what is not as without one."""
    try:
        end = lives.go_on(rehearsal)
    except AssertionError as error:
        report.broken.append(CrashPoint(place, f"it does not end: {error}"))
        return
    if end.status != whole.status:
        told = f"it ended as {end.status} in place of {whole.status}: {end.value!r}"
        report.broken.append(CrashPoint(place, told))
    elif not same(whole.value, end.value):
        report.broken.append(CrashPoint(place, f"it gave {end.value!r} in place of {whole.value!r}"))
    for name in sorted(whole.effects | end.effects, key=str):
        usual, times = whole.effects[name], end.effects[name]
        point = CrashPoint(place, f"effect '{name}' happened {times} times, not {usual}", name)
        if times > usual:
            report.repeated.append(point)
        elif times < usual:
            report.broken.append(point)


@dataclass
class _Lives:
    """The lives of one workflow, one after the other."""

    app: Pynenc
    workflow: Task[..., Any] | TaskWithOptions[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    effects: Counter[str]
    events: Events

    def begin_anew(self, plan: CrashPlan) -> None:
        plan.arm(None)
        self.app.purge()
        self.app.client_data_store.forget()
        self.app.register_deferred_triggers()
        self.effects.clear()

    def live(self, rehearsal: Rehearsal, has_crashed: bool = False) -> _End:
        """Start it, as a client that tries again would, and bring it to its end."""
        self.workflow.base_task.options(invocation_id=_ID)(*self.args, **self.kwargs)
        for _ in range(_ROUNDS):
            rehearsal.run()
            (state,) = self.app.orchestrator.read_states([_ID])
            assert state is not None
            if state.status.final:
                (value,) = load_results(self.app.components, [Ended(state)])
                if isinstance(value, RaisedError):
                    value = f"{type(value.error).__name__}: {value.error}"
                return _End(state.status, value, +self.effects)
            # While the queues are empty: recovery looks for what has no message only then.
            if has_crashed and recovery.recover(self.app.components, "boss"):
                continue
            if self._send_next():
                continue
            if not rehearsal.pass_time() and not (has_crashed and self._recover(rehearsal)):
                raise AssertionError(f"it is {state.status} and waits for {state.waits_for or 'nothing'}")
        raise AssertionError(f"it has not ended after {_ROUNDS} rounds")

    def _send_next(self) -> bool:
        """Send the next event that a parked workflow waits for; return whether there was one."""
        for data, state in self.app.find_records(limit=1000, only_workflows=True):
            if not state.is_parked:
                continue
            used = self._used_events(data.invocation_id, data.workflow_id, state)
            for number, (code, payload) in enumerate(self.events):
                event_id = f"event-{number}"
                if event_id not in used and f"event '{code}'" in (state.waits_for or ""):
                    self.app.send_event(data.invocation_id, code, payload, event_id)
                    return True
        return False

    def _used_events(self, invocation_id: str, workflow_id: str, state: InvocationState) -> set[str]:
        journal = StoredJournal(self.app.components, invocation_id, workflow_id, state.generation)
        values = [journal.value(step) for step in journal.steps() if step.kind == EVENT]
        gone = [
            event.event_id for event in self.app.state_backend.find_events(invocation_id) if event.is_used
        ]
        values += [{"event_id": event_id} for event_id in gone]
        return {value["event_id"].rpartition("/")[2] for value in values if isinstance(value, dict)}

    def go_on(self, rehearsal: Rehearsal) -> _End:
        """Let another runner recover what the dead one had, and go on."""
        rehearsal.runner_id += "+"
        dead_after_s = max(self.app.conf.dead_after_seconds, self.app.conf.max_pending_seconds)
        rehearsal.plan.clock_offset_s += dead_after_s
        self._recover(rehearsal)
        return self.live(rehearsal, has_crashed=True)

    def _recover(self, rehearsal: Rehearsal) -> int:
        """Do what runners do from time to time; return how many invocations were led on."""
        rehearsal.plan.clock_offset_s += SETTLE_S + 1
        return recovery.recover(self.app.components, "boss")
