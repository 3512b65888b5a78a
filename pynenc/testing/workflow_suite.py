"""The promises of workflows, and what a state backend keeps for them."""

from __future__ import annotations

import pytest

from pynenc.app import Pynenc
from pynenc.context import RunnerContext
from pynenc.exceptions import InvocationCancelledError, InvocationNotFoundError, SerializationError
from pynenc.interruption import Interruption
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle import retention
from pynenc.lifecycle.claiming import claim
from pynenc.lifecycle.execution import finish_and_start
from pynenc.runner.invoking import invoke
from pynenc.state_backend.workflow_records import Step, WorkflowEvent, WorkflowValue, step_id, value_id
from pynenc.storage.operations import Cursor
from pynenc.testing import kit_workflows
from pynenc.testing.app_fixtures import AppFixtures, running
from pynenc.testing.crash_scenarios import QUEUES
from pynenc.testing.evaluating import Evaluating
from pynenc.testing.faulty_storage import put_faulty
from pynenc.testing.inline_runner import InlineRunner
from pynenc.trigger.records import EventWait

_S = InvocationStatus
_HOUR_S = 3600.0


def step(index: int, invocation_id: str = "i", name: str = "n") -> Step:
    """Return a step whose number is its moment."""
    key = step_id(invocation_id, 0, "", index)
    return Step(key, invocation_id, 0, "", index, "step", name, str(index), 0, float(index))


class WorkflowSuite(AppFixtures):
    """Recorded steps, values and events; parking, waking and what a purge leaves."""

    # --- what is kept ------------------------------------------------------------------

    def test_a_step_is_stored_once(self, app: Pynenc) -> None:
        backend = app.state_backend
        assert backend.save_steps([step(0), step(1)]) == [True, True]
        assert backend.save_steps([step(1, name="other"), step(2)]) == [False, True]
        assert backend.read_steps([step(1).step_id, "none"]) == [step(1), None]

    def test_steps_are_found_page_by_page(self, app: Pynenc) -> None:
        backend = app.state_backend
        backend.save_steps([*map(step, range(5)), step(7, "other")])
        first = backend.find_steps("i", 3)
        assert first == [step(0), step(1), step(2)]
        assert backend.find_steps("i", 3, Cursor(first[-1].at, first[-1].step_id)) == [step(3), step(4)]
        backend.delete_steps([step(0).step_id, step(3).step_id, "none"])
        assert [each.index for each in backend.find_steps("i", 9)] == [1, 2, 4]

    def test_values_are_replaced(self, app: Pynenc) -> None:
        backend = app.state_backend
        for at, payload in enumerate(["1", "2"]):
            backend.set_values([WorkflowValue(value_id("w", "k"), "w", "k", payload, float(at))])
        backend.set_values([WorkflowValue(value_id("v", "k"), "v", "k", "3", 2.0)])
        (value, missing) = backend.read_values([value_id("w", "k"), value_id("w", "x")])
        assert value is not None
        assert (value.payload, missing) == ("2", None)
        assert [each.payload for each in backend.find_values("w")] == ["2"]

    def test_events_are_kept_once_and_in_order(self, app: Pynenc) -> None:
        backend = app.state_backend
        events = [WorkflowEvent(f"e{at}", "i", "code", "{}", float(at)) for at in range(3)]
        backend.save_events([events[2], events[0]])
        backend.save_events([events[1], WorkflowEvent("e0", "i", "other", "{}", 9.0)])
        assert backend.find_events("i") == events
        assert backend.count_events("i") == 3

    def test_what_a_workflow_has_recorded_is_forgotten_with_it(self, app: Pynenc) -> None:
        backend = app.state_backend
        backend.save_steps([step(0), step(0, "other")])
        backend.set_values([WorkflowValue(value_id("i", "k"), "i", "k", "1", 1.0)])
        backend.save_events([WorkflowEvent("e", "i", "code", "{}", 1.0)])
        backend.forget_workflows(["i", "none"])
        assert (backend.find_steps("i", 9), backend.find_values("i"), backend.find_events("i")) == (
            [],
            [],
            [],
        )
        assert len(backend.find_steps("other", 9)) == 1

    # --- parking -----------------------------------------------------------------------

    def test_a_workflow_parks_and_goes_on(self, app: Pynenc) -> None:
        kit_workflows.forget()
        plan = put_faulty(app)
        app.task(kit_workflows.square)
        root = app.workflow(kit_workflows.everything)(3)
        runner = InlineRunner(app)
        runner.run_due()
        (state,) = app.orchestrator.read_states([root.invocation_id])
        assert state is not None
        assert (state.status, state.is_parked, state.runner_id) == (_S.RETRY, True, None)
        assert (state.waits_for or "").startswith("until ")
        assert (state.retries, runner.run_due()) == (0, 0)
        plan.clock_offset_s += _HOUR_S
        runner.run_due()
        app.send_event(root.invocation_id, "approved", {"other": 1})
        runner.run_due()
        assert len(kit_workflows.SEEN[root.invocation_id]) == 3
        app.send_event(root.invocation_id, "approved", {"by": "Ada"})
        runner.run_due()
        runs = kit_workflows.SEEN[root.invocation_id]
        assert len(runs) == 4
        assert all(run == runs[-1][: len(run)] for run in runs)
        assert root.result == runs[-1]
        assert dict(kit_workflows.EFFECTS) == {"square 3": 1, "square 4": 1, "charge": 1}
        assert app.workflow_data(root.invocation_id) == {"number": 3}

    @pytest.mark.parametrize("what", ["event", "cancelling"])
    def test_what_reaches_a_body_that_is_about_to_park_is_not_lost(self, app: Pynenc, what: str) -> None:
        app.task(kit_workflows.square)
        app.task(kit_workflows.undo)
        root = app.workflow(kit_workflows.waits_to_be_cancelled)(5)
        (claimed,) = claim(app.components, "r1", QUEUES, 1, 0)
        (started,) = finish_and_start(app.components, "r1", [], [claimed]).started
        identity = RunnerContext("InlineRunner", "r1")
        finished = invoke(app, started, InlineRunner(app), identity, Interruption())
        assert finished.parking is not None
        if what == "event":
            app.send_event(root.invocation_id, "never")
        else:
            root.cancel()
        finish_and_start(app.components, "r1", [finished], [])
        (state,) = app.orchestrator.read_states([root.invocation_id])
        assert state is not None
        assert (state.is_parked, state.status, state.not_before) == (False, _S.REROUTED, 0.0)
        assert len(app.broker.queues()) == 1

    def test_events_between_two_waits_are_kept_in_order_and_wake_nobody(self, app: Pynenc) -> None:
        kit_workflows.forget()
        plan = put_faulty(app)
        call = app.workflow(kit_workflows.takes_ticks)()
        runner = InlineRunner(app)
        runner.run_due()
        app.trigger.emit_event("tick", {"n": 0})
        Evaluating(app).work()
        assert runner.run_due() == 1  # takes it, and is parked for its sleep
        for number in range(1, 4):
            app.trigger.emit_event("tick", {"n": number})
            Evaluating(app).work()
        (wait,) = app.trigger.find_waits("tick")
        assert (wait.is_active, wait.buffered, runner.run_due()) == (0, 3, 0)
        plan.clock_offset_s += _HOUR_S
        runner.run_due()
        assert call.wait(0) == [0, 1, 2]

    def test_an_event_for_anybody_reaches_who_waits_for_it(self, app: Pynenc) -> None:
        kit_workflows.forget()
        calls = [app.workflow(kit_workflows.waits_for_order)(number) for number in range(3)]
        runner = InlineRunner(app)
        runner.run_due()
        app.trigger.emit_event("paid", {"order": 7})
        app.trigger.emit_event("paid", {"order": 1, "amount": 10})
        Evaluating(app).work()
        runner.run_due()
        assert calls[1].result == {"order": 1, "amount": 10}
        assert [len(kit_workflows.SEEN[call.invocation_id]) for call in calls] == [1, 2, 1]
        assert sum(wait.is_active for wait in app.trigger.find_waits("paid")) == 2
        calls[0].cancel()
        runner.run_due()
        active = [wait.invocation_id for wait in app.trigger.find_waits("paid") if wait.is_active]
        assert active == [calls[2].invocation_id]
        app.trigger.save_waits([EventWait("left behind", "paid", calls[0].invocation_id, "", 1.0)])
        app.trigger.emit_event("paid", {"order": 0})
        Evaluating(app).work()
        assert [wait.invocation_id for wait in app.trigger.find_waits("paid")] == [calls[2].invocation_id]

    def test_an_event_that_comes_early_counts(self, app: Pynenc) -> None:
        put_faulty(app).clock_offset_s = 0.0
        app.task(kit_workflows.square)
        root = app.workflow(kit_workflows.everything)(3)
        app.send_event(root.invocation_id, "approved", {"by": "Ada"}, event_id="once")
        app.send_event(root.invocation_id, "approved", {"by": "Ada"}, event_id="once")
        assert app.state_backend.count_events(root.invocation_id) == 1
        with pytest.raises(InvocationNotFoundError):
            app.send_event("unknown", "approved")
        with pytest.raises(SerializationError, match="event 'approved' cannot be written as JSON"):
            app.send_event(root.invocation_id, "approved", {"by": object()})

    def test_a_workflow_that_is_cancelled_compensates(self, app: Pynenc) -> None:
        kit_workflows.forget()
        app.task(kit_workflows.square)
        app.task(kit_workflows.undo)
        root = app.workflow(kit_workflows.waits_to_be_cancelled)(5)
        runner = InlineRunner(app)
        runner.run_due()
        root.cancel()
        runner.run_due()
        assert dict(kit_workflows.EFFECTS) == {"square 5": 1, "undo 5": 1}
        assert app.get_invocation(root.invocation_id).status == _S.CANCELLED
        with pytest.raises(InvocationCancelledError):
            _ = root.result

    def test_one_that_has_not_begun_is_cancelled_at_once(self, app: Pynenc) -> None:
        root = app.workflow(kit_workflows.waits_to_be_cancelled)(5)
        root.cancel()
        assert root.status == _S.CANCELLED

    def test_a_failed_saga_compensates_the_last_first(self, app: Pynenc) -> None:
        kit_workflows.forget()
        app.task(kit_workflows.square)
        app.task(kit_workflows.undo)
        with running(app):
            root = app.workflow(kit_workflows.undone)(3)
            with pytest.raises(ValueError, match="as planned"):
                _ = root.result
        assert [name for name in kit_workflows.EFFECTS if name.startswith("undo")] == [
            "undo 2",
            "undo 1",
            "undo 0",
        ]

    def test_continuing_as_new_empties_the_record(self, app: Pynenc) -> None:
        kit_workflows.forget()
        with running(app):
            root = app.workflow(kit_workflows.counts_down)(3)
            assert root.result == 0
        runs = kit_workflows.SEEN[root.invocation_id]
        assert len({run[0] for run in runs}) == 4
        assert {each.generation for each in app.state_backend.find_steps(root.invocation_id, 99)} == {3}

    # --- listing and purging -----------------------------------------------------------

    def test_workflows_are_listed_by_type_and_status(self, app: Pynenc) -> None:
        square = app.task(kit_workflows.square)
        waits = app.workflow(kit_workflows.waits_to_be_cancelled)
        counts = app.workflow(kit_workflows.counts_down)
        square(1)
        first, second, third = waits(1), counts(0), waits(2)
        third.cancel()
        assert app.find_workflows() == [third, second, first]
        assert app.find_workflows(waits) == [third, first]
        assert app.find_workflows(waits, statuses="registered") == [first]
        assert app.find_workflows(limit=1) == [third]

    def test_a_purge_leaves_what_a_workflow_may_ask_for_again(self, app: Pynenc) -> None:
        kit_workflows.forget()
        plan = put_faulty(app)
        app.task(kit_workflows.square)
        root = app.workflow(kit_workflows.everything)(3)
        runner = InlineRunner(app)
        runner.run_due()
        plan.clock_offset_s += 100 * _HOUR_S
        assert retention.purge_ended(app.components, app.orchestrator.now()) == 0
        runner.run_due()
        app.send_event(root.invocation_id, "approved", {"by": "Ada"})
        runner.run_due()
        assert app.get_invocation(root.invocation_id).status == _S.SUCCESS
        plan.clock_offset_s += _HOUR_S
        assert retention.purge_ended(app.components, app.orchestrator.now()) == 3
        assert app.state_backend.find_steps(root.invocation_id, 9) == []
        assert app.state_backend.find_values(root.invocation_id) == []
