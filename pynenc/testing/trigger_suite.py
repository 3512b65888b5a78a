"""The promises of triggers: each starts its task once for each occurrence, whoever evaluates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from pynenc.app import Pynenc
from pynenc.client.trigger_starts import start_tasks
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.claiming import claim
from pynenc.lifecycle.execution import Finished, finish_and_start
from pynenc.scheduler.firing import Start
from pynenc.storage.group import Group
from pynenc.task import Task
from pynenc.testing import kit_functions
from pynenc.testing.app_fixtures import AppFixtures, running
from pynenc.testing.crash_scenarios import QUEUES
from pynenc.testing.evaluating import Evaluating, fired
from pynenc.testing.faulty_storage import put_faulty
from pynenc.trigger import TriggerBuilder, all_of, on_cron, on_event, on_exception, on_result, on_status
from pynenc.trigger.records import RunState
from pynenc.trigger.trigger_builder import TriggerBuilder as Builder

_DAY_S = 86400.0


def following(app: Pynenc, *triggers: Builder) -> Task[..., Any]:
    """Return a task that triggers start, registered."""
    task: Task[..., Any] = app.task(triggers=list(triggers))(kit_functions.follow)
    app.register_deferred_triggers()
    return task


def results(app: Pynenc, task: Task[..., Any]) -> list[Any]:
    """Return what the invocations gave that triggers have started, oldest run first."""
    with running(app):
        return [app.get_invocation(run.invocation_id).result for run in fired(app, task)]


class TriggerSuite(AppFixtures):
    """Evaluation of conditions, and how often a task is started."""

    # --- conditions --------------------------------------------------------------------

    def test_events_start_their_task_in_their_order(self, app: Pynenc) -> None:
        task = following(app, on_event("code", {"deep.y": {"$gte": 2}}))
        for number in range(5):
            app.trigger.emit_event("code", {"x": number, "deep": {"y": number}})
            app.trigger.emit_event("other", {"x": number, "deep": {"y": number}})
        Evaluating(app).work()
        assert results(app, task) == [(2, 0), (3, 0), (4, 0)]

    def test_status_result_and_exception_start_their_task(self, app: Pynenc) -> None:
        add = app.task(kit_functions.add)
        fail = app.task(kit_functions.fail)
        task = following(
            app,
            on_status(add, call_arguments={"x": 1}),
            on_result(add, {"$gt": 20}).with_args_from_result(lambda ctx: {"x": ctx.result}),
            on_exception(fail, ValueError).with_args_from_exception(
                lambda ctx: {"y": len(ctx.exception_message)}
            ),
        )
        with running(app):
            assert [call.result for call in (add(1), add(2), add(3, 30))] == [11, 12, 33]
            with pytest.raises(ValueError, match="four"):
                _ = fail("four").result
        Evaluating(app).work()
        assert sorted(results(app, task)) == [(0, 4), (1, 10), (33, 0)]

    def test_a_composite_uses_each_occurrence_once(self, app: Pynenc) -> None:
        both = TriggerBuilder().on_event("a").on_event("b").with_logic("and")
        task = following(
            app,
            both.with_arguments(lambda ctx: {"x": ctx.parts[0].payload["n"], "y": ctx.parts[1].payload["n"]}),
        )
        evaluating = Evaluating(app)
        for number in range(3):
            app.trigger.emit_event("a", {"n": number})
        evaluating.work()
        assert fired(app, task) == []
        for number in range(10, 12):
            app.trigger.emit_event("b", {"n": number})
            evaluating.work()
        app.trigger.emit_event("b", {"n": 12})
        app.trigger.emit_event("b", {"n": 13})
        evaluating.work()
        assert sorted(results(app, task)) == [(0, 10), (1, 11), (2, 12)]

    def test_parts_that_lie_too_far_apart_do_not_meet(self, app: Pynenc) -> None:
        plan = put_faulty(app)
        both = TriggerBuilder().on_event("a").on_event("b").with_logic("and", window=60)
        task = following(app, both)
        evaluating = Evaluating(app)
        app.trigger.emit_event("a", {"x": 1})
        evaluating.work()
        plan.clock_offset_s += 61
        app.trigger.emit_event("b", {"y": 2})
        evaluating.work()
        assert fired(app, task) == []
        app.trigger.emit_event("a", {"x": 3})
        evaluating.work()
        assert results(app, task) == [(3, 2)]

    def test_a_change_that_was_meant_and_not_made_starts_nothing(self, app: Pynenc) -> None:
        add = app.task(kit_functions.add)
        task = following(app, on_status(add, InvocationStatus.SUCCESS))
        call = add(1)
        (state,) = app.orchestrator.read_states([call.invocation_id])
        assert state is not None
        meant = msgspec.structs.replace(state, status=InvocationStatus.SUCCESS, claim=0)
        app.component_provider.catalog.refresh()
        group = Group()
        app.components.watch.stage(group, [meant])
        group.send()
        evaluating = Evaluating(app)
        assert evaluating.work() is not None  # it may still happen
        assert len(app.trigger.open_occurrences(9)) == 1
        with running(app):
            assert call.result == 11
        evaluating.work()
        assert app.trigger.open_occurrences(9) == []
        assert len(fired(app, task)) == 1  # that of the claim which was made

    def test_a_change_that_is_made_while_it_is_looked_at_counts(self, app: Pynenc) -> None:
        fail = app.task(kit_functions.fail)
        task = following(app, on_exception(fail, ValueError).with_arguments({"x": 1}))
        fail("soon")
        (running_claim,) = finish_and_start(
            app.components, "r1", [], claim(app.components, "r1", QUEUES, 1, 0)
        ).started
        target = msgspec.structs.replace(running_claim.state, status=InvocationStatus.FAILED)
        group = Group()
        app.components.watch.stage(group, [target])
        group.send()
        histories = app.orchestrator.histories

        def ends_first(ids: Sequence[str]) -> Any:
            """Return the record has been read when the body ends."""
            app.orchestrator.histories = histories  # type: ignore[method-assign]
            payload = app.components.values.pack_error(ValueError("now"))
            finish_and_start(
                app.components, "r1", [Finished(running_claim, InvocationStatus.FAILED, payload)], []
            )
            return histories(ids)

        app.orchestrator.histories = ends_first  # type: ignore[method-assign,assignment]
        Evaluating(app).work()
        assert len(fired(app, task)) == 1

    # --- who evaluates -----------------------------------------------------------------

    def test_an_evaluator_that_is_taken_for_dead_does_no_harm(self, app: Pynenc) -> None:
        plan = put_faulty(app)
        both = TriggerBuilder().on_event("a").on_event("b").with_logic("and")
        task = following(app, on_event("code"), both)
        late, healthy = Evaluating(app, "r1"), Evaluating(app, "r2")
        stopped: list[Sequence[Start]] = []

        def start_late(starts: Sequence[Start]) -> list[str | None]:
            if not stopped:
                stopped.append(starts)
                plan.clock_offset_s += 1000
                healthy.work()
            return start_tasks(app, starts)

        late.firing.starter = start_late
        for number in range(4):
            app.trigger.emit_event("code", {"x": number})
            app.trigger.emit_event("a", {"x": 100 + number})
            app.trigger.emit_event("b", {"y": number})
        late.work()
        assert stopped
        assert app.trigger.open_occurrences(1) == []
        expected = [(number, 0) for number in range(4)] + [(100 + number, number) for number in range(4)]
        assert sorted(results(app, task)) == expected
        assert len(list(app.find_invocations(task=task, limit=100))) == 8

    def test_two_evaluators_that_pair_the_same_parts_use_each_once(self, app: Pynenc) -> None:
        both = TriggerBuilder().on_event("a").on_event("b").with_logic("and")
        task = following(app, both)
        app.trigger.emit_event("a", {"x": 0})
        first, second = Evaluating(app, "r1"), Evaluating(app, "r2")
        first.work()
        app.trigger.emit_event("b", {"y": 5})
        waiting = app.trigger.waiting_parts
        interrupted: list[str] = []

        def waiting_late(slot: str, limit: int) -> list[Any]:
            found = waiting(slot, limit)
            if not interrupted:  # the first has read one side when the second does all of it
                interrupted.append(slot)
                app.trigger.swap_marks([(app.trigger.read_marks(["lease"])[0], None)])
                second.work()
                app.trigger.emit_event("b", {"y": 6})
                second.evaluator.evaluate()
            return found

        app.trigger.waiting_parts = waiting_late  # type: ignore[method-assign]
        try:
            first.work()
        finally:
            del app.trigger.waiting_parts
        assert interrupted
        app.trigger.emit_event("a", {"x": 1})
        second.work()
        assert sorted(results(app, task)) == [(0, 5), (1, 6)]

    # --- cron --------------------------------------------------------------------------

    def test_a_tick_fires_once_though_two_watch_the_clock(self, app: Pynenc) -> None:
        plan = put_faulty(app)
        task = following(app, on_cron("0 0 * * *"))
        runners = [Evaluating(app, "r1"), Evaluating(app, "r2")]
        for _ in range(4):
            for runner in runners:
                runner.work()
            plan.clock_offset_s += _DAY_S
        moments = [run.cause for run in fired(app, task)]
        assert len(moments) == len(set(moments)) == 3

    def test_the_policy_says_what_becomes_of_missed_ticks(self, app: Pynenc) -> None:
        plan = put_faulty(app)
        builders = [on_cron("0 0 * * *", misfire=each) for each in ("skip", "fire_once", "fire_all")]
        task = following(app, *builders)
        Evaluating(app).work()
        plan.clock_offset_s += 5 * _DAY_S
        Evaluating(app).work()
        by_trigger: dict[str, int] = {}
        for run in fired(app, task):
            by_trigger[run.trigger_id] = by_trigger.get(run.trigger_id, 0) + 1
        ids = [builder.build(task.task_id).stored().trigger_id for builder in builders]
        assert [by_trigger.get(each, 0) for each in ids] == [0, 1, 5]

    def test_a_pause_has_no_missed_ticks(self, app: Pynenc) -> None:
        plan = put_faulty(app)
        task = following(app, on_cron("0 0 * * *", misfire="fire_all"))
        (stored,) = app.trigger.find_definitions()
        Evaluating(app).work()
        app.trigger.pause(stored.trigger_id)
        plan.clock_offset_s += 5 * _DAY_S
        Evaluating(app).work()
        app.trigger.resume(stored.trigger_id)
        Evaluating(app).work()
        assert fired(app, task) == []
        plan.clock_offset_s += _DAY_S
        Evaluating(app).work()
        assert len(fired(app, task)) == 1

    # --- definitions and guards --------------------------------------------------------

    def test_a_removed_trigger_starts_nothing(self, app: Pynenc) -> None:
        task = following(app, on_event("code"))
        evaluating = Evaluating(app)
        evaluating.work()
        app.trigger.emit_event("code", {"x": 1})
        app.trigger.register(task.task_id, [on_event("other").build(task.task_id)])
        evaluating.work()
        assert fired(app, task) == []
        assert app.trigger.open_occurrences(1) == []

    def test_a_trigger_says_why_it_started_nothing(self, app: Pynenc) -> None:
        task = following(app, on_event("code").with_rate_cap(1, per=3600).with_arguments({"z": 1}))
        evaluating = Evaluating(app)
        for _ in range(2):
            app.trigger.emit_event("code")
        evaluating.work()
        states = {run.state: run.reason for run in app.trigger.find_runs()}
        assert fired(app, task) == []
        assert "unexpected keyword argument 'z'" in (states[RunState.RETRYING] or "")
        assert "cap of 1" in (states[RunState.CAPPED] or "")

    def test_parts_meet_only_those_with_the_same_key(self, app: Pynenc) -> None:
        both = all_of(on_event("paid"), on_event("packed"), correlate_by="order")
        task = following(app, both.with_arguments(lambda ctx: {"x": ctx.parts[0].payload["order"]}))
        for code, order in (("paid", 1), ("packed", 2), ("packed", 1)):
            app.trigger.emit_event(code, {"order": order})
        Evaluating(app).work()
        (run,) = fired(app, task)
        assert app.get_invocation(run.invocation_id).arguments == {"x": 1}
        app.trigger.emit_event("paid", {"order": 2})
        Evaluating(app).work()
        assert len(fired(app, task)) == 2

    def test_two_conditions_for_one_code_need_two_events(self, app: Pynenc) -> None:
        task = following(app, all_of(on_event("vote"), on_event("vote")).with_arguments({"x": 1}))
        for number in range(3):
            app.trigger.emit_event("vote", {"by": number})
            Evaluating(app).work()
            assert len(fired(app, task)) == (number + 1) // 2

    def test_a_trigger_that_failed_is_tried_again_by_another_runner(self, app: Pynenc) -> None:
        broken = [False, True]  # is taken from its end

        def arguments(context: Any) -> dict[str, Any]:
            if broken.pop():
                raise LookupError("not yet")
            return {"x": 1}

        task = following(app, on_event("code").with_arguments(arguments))
        app.trigger.emit_event("code")
        Evaluating(app).work()
        (problem,) = app.trigger.find_problems()
        assert (problem.count, "not yet" in problem.error) == (1, True)
        (run,) = app.trigger.find_runs(state=RunState.RETRYING)
        (retry,) = app.trigger.find_retries(run.retry_at, 10)
        assert (retry.run_id, app.trigger.find_retries(run.retry_at - 0.5, 10)) == (run.run_id, [])
        successor = Evaluating(app, "r2")
        while app.trigger.find_retries(None, 10):
            successor.work()
        (again,) = fired(app, task)
        assert (again.run_id, again.attempts) == (run.run_id, 2)

    def test_an_invocation_knows_what_started_it(self, app: Pynenc) -> None:
        task = following(app, on_event("code"))
        event_id = app.trigger.emit_event("code")
        Evaluating(app).work()
        (run,) = fired(app, task)
        (data,) = app.state_backend.read_invocations([run.invocation_id])
        assert data is not None
        assert (data.triggered_by, data.trigger_depth) == (run.run_id, 1)
        assert event_id in run.occurrences
