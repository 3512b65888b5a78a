"""A crash at every operation of a workflow: it comes to the same end, and does nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from pynenc.app import Pynenc
from pynenc.conf.config_pynenc import ConfigPynenc
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle import recovery
from pynenc.lifecycle.cancellation import cancel
from pynenc.lifecycle.waiting import Ended, load_results
from pynenc.task import Task
from pynenc.testing import kit_workflows
from pynenc.testing.app_fixtures import AppFixtures
from pynenc.testing.faulty_storage import CrashPlan, SimulatedCrash, put_faulty
from pynenc.testing.inline_runner import InlineRunner
from pynenc.workflow import waiting_operations

_LONG_S = 4000.0
_ROUNDS = 30
_S = InvocationStatus


@dataclass
class WorkflowLife:
    """The app and the plan that a scenario works with.

    Attributes:
        app: The app.
        plan: When the process dies, and the clock.
        root_id: The workflow, once it was accepted.
    """

    app: Pynenc
    plan: CrashPlan
    root_id: str | None = None

    def begin(self, body: Callable[..., Any], *args: Any) -> str:
        """Start a workflow."""
        self.app.task(kit_workflows.square)
        self.app.task(kit_workflows.undo)
        root: Task[..., Any] = self.app.workflow(body)
        self.root_id = root(*args).invocation_id
        return self.root_id

    def go_on(self, runner_id: str = "r1") -> None:
        """Run what is due, as time goes by, until nothing is."""
        runner = InlineRunner(self.app, runner_id)
        for _ in range(_ROUNDS):
            if not runner.run_due() and not self.app.broker.queues():
                return
            self.plan.clock_offset_s += _LONG_S

    def approve(self) -> None:
        """Send the event to whoever waits for it."""
        for data, record in self.app.find_records(limit=100, only_workflows=True):
            if record.is_parked and record.waits_for == "event 'approved'":
                self.app.send_event(data.invocation_id, "approved", {"by": "Ada"}, event_id="e1")


def everything(life: WorkflowLife) -> None:
    """All operations, with an event from outside."""
    life.begin(kit_workflows.everything, 3)
    life.go_on()
    life.approve()
    life.go_on()


def undone(life: WorkflowLife) -> None:
    """A saga that fails."""
    life.begin(kit_workflows.undone, 2)
    life.go_on()


def cancelled(life: WorkflowLife) -> None:
    """A parked workflow that is cancelled compensates."""
    root_id = life.begin(kit_workflows.waits_to_be_cancelled, 5)
    life.go_on()
    cancel(life.app.components, [root_id], "client")
    life.go_on()


def continued(life: WorkflowLife) -> None:
    """Run one that continues as new."""
    life.begin(kit_workflows.counts_down, 2)
    life.go_on()


def nested(life: WorkflowLife) -> None:
    """Run one that waits for a child workflow, both parked."""
    life.app.workflow(kit_workflows.waits_for_approval)
    life.begin(kit_workflows.parent, 3)
    InlineRunner(life.app).run_due()
    life.approve()
    life.go_on()


def _check_everything(life: WorkflowLife, result: Any) -> None:
    (last,) = {tuple(map(str, seen)) for seen in kit_workflows.SEEN[life.root_id or ""][-1:]}
    assert [str(each) for each in result] == list(last)
    assert result[3:5] == [9, "charged"]
    assert result[6:] == [{"by": "Ada"}, 16, 3]


SCENARIOS: list[tuple[Callable[[WorkflowLife], None], InvocationStatus, dict[str, int]]] = [
    (everything, _S.SUCCESS, {"square 3": 1, "square 4": 1, "charge": 1}),
    (undone, _S.FAILED, {"square 0": 1, "square 1": 1, "undo 0": 1, "undo 1": 1}),
    (cancelled, _S.CANCELLED, {"square 5": 1, "undo 5": 1}),
    (continued, _S.SUCCESS, {}),
    (nested, _S.SUCCESS, {"approved 3": 1}),
]


class WorkflowCrashSuite(AppFixtures):
    """A workflow comes to the same end wherever its runner dies."""

    @pytest.mark.timeout(600)  # each crash point is a life of its own
    @pytest.mark.parametrize(("scenario", "status", "effects"), SCENARIOS, ids=lambda each: _name(each))
    def test_a_workflow_survives_a_crash_at_any_operation(
        self,
        app: Pynenc,
        scenario: Callable[[WorkflowLife], None],
        status: InvocationStatus,
        effects: dict[str, int],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(waiting_operations, "SOON_S", 0.0)
        app.conf.workflow_park_after_seconds = 0.0
        plan = put_faulty(app)
        plan.arm(None)
        kit_workflows.forget()
        whole = WorkflowLife(app, plan)
        scenario(whole)
        steps = plan.steps
        _check(whole, scenario, status, effects, "no crash", crashed=False)
        for number in range(steps):
            for after in (False, True):
                plan.arm(None)
                app.purge()
                app.client_data_store.forget()
                kit_workflows.forget()
                app.conf.max_recoveries = ConfigPynenc.model_fields["max_recoveries"].default
                life = WorkflowLife(app, plan)
                plan.arm(number, after)
                with pytest.raises(SimulatedCrash):
                    scenario(life)
                plan.arm(None)
                place = f"{scenario.__name__}: died {'after' if after else 'before'} operation {number}"
                if life.root_id is not None:
                    _heal(life, scenario, place)
                    _check(life, scenario, status, effects, place, crashed=True)


def _name(value: object) -> str:
    return getattr(value, "__name__", "")


def _heal(life: WorkflowLife, scenario: Callable[[WorkflowLife], None], place: str) -> None:
    """Let recovery and a healthy runner bring it to its end."""
    app, root_id = life.app, life.root_id or ""
    for _ in range(_ROUNDS):
        life.plan.clock_offset_s += _LONG_S
        recovery.recover(app.components, "boss")
        life.go_on("r9")
        (state,) = app.orchestrator.read_states([root_id])
        assert state is not None
        if state.status.final:
            return
        life.approve()
        if state.is_parked and scenario is cancelled:
            cancel(app.components, [root_id], "client")
    (state,) = app.orchestrator.read_states([root_id])
    raise AssertionError(f"{place}: it does not end: {state} {app.orchestrator.history(root_id)[-6:]}")


def _check(
    life: WorkflowLife,
    scenario: Callable[[WorkflowLife], None],
    status: InvocationStatus,
    effects: dict[str, int],
    place: str,
    crashed: bool,
) -> None:
    app, root_id = life.app, life.root_id or ""
    (state,) = app.orchestrator.read_states([root_id])
    assert state is not None
    assert state.status == status, (
        f"{place}: it ended as {state.status}, {load_results(app.components, [Ended(state)])[0].error!r}"
    )
    children = [each for each in app.find_records(limit=100) if each[0].invocation_id != root_id]
    assert all(record.status == _S.SUCCESS for _, record in children), f"{place}: a child has not ended"
    wanted = sum(count for name, count in effects.items() if name != "charge")
    assert len(children) == wanted, f"{place}: {len(children)} children"
    done = dict(kit_workflows.EFFECTS)
    assert done.keys() == effects.keys(), f"{place}: {done}"
    # A body that the crash has struck runs twice; nothing else does.
    assert sum(done.values()) - sum(effects.values()) <= int(crashed), f"{place}: {done}"
    runs = kit_workflows.SEEN[root_id]
    if scenario is not continued:
        for run in runs:
            assert run == runs[-1][: len(run)], f"{place}: a run saw something else: {run} {runs[-1]}"
    if scenario is everything:
        _check_everything(life, app.get_invocation(root_id).result)
    if scenario is continued:
        assert app.get_invocation(root_id).result == 0
