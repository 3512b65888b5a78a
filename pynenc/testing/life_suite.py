"""The promises of the life of an invocation on the components of one backend."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

import msgspec
import pytest

from pynenc.app import Pynenc
from pynenc.calls.interfaces import BaseInvocation
from pynenc.client.dist_invocation import DistributedInvocation
from pynenc.exceptions import (
    InvocationNotFoundError,
    RecoveryLimitError,
    RunnerError,
    SerializationError,
    WaitCycleError,
)
from pynenc.identifiers.ids import new_id
from pynenc.invocation.claim import Claim
from pynenc.invocation.data import InvocationData
from pynenc.invocation.state import InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle import recovery, retention
from pynenc.lifecycle.claiming import claim, hand_back_claimed
from pynenc.lifecycle.draining import drain, undrain
from pynenc.lifecycle.execution import Finished, StepResult, finish_and_start, hand_back_running
from pynenc.lifecycle.leadership import lead, resign
from pynenc.lifecycle.new_invocation import NewInvocation
from pynenc.lifecycle.resending import push_forgotten
from pynenc.lifecycle.submission import submit
from pynenc.lifecycle.values import encode_arguments
from pynenc.state_backend.progress_records import ProgressData
from pynenc.testing import kit_functions
from pynenc.testing.app_fixtures import AppFixtures, running

_S = InvocationStatus
_QUEUES = ["default"]


def _dist(invocation: BaseInvocation[Any, Any]) -> DistributedInvocation[..., Any]:
    return cast("DistributedInvocation[..., Any]", invocation)


def _finish(app: Pynenc, claimed: Claim, runner_id: str, result: object) -> StepResult:
    payload = app.components.values.pack_result(result)
    return finish_and_start(app.components, runner_id, [Finished(claimed, _S.SUCCESS, payload)], [])


def _is_blocked(app: Pynenc, invocation_id: str) -> bool:
    (state,) = app.orchestrator.read_states([invocation_id])
    return state is not None and state.is_parked and state.blocked_since > 0


class LifeSuite(AppFixtures):
    """Submit, claim, run, finish, wait, recover."""

    # --- with a runner -----------------------------------------------------------------

    def test_a_call_gives_its_result(self, app: Pynenc) -> None:
        add = app.task(kit_functions.add)
        with running(app):
            invocation = _dist(add(1, y=2))
            assert invocation.result == 3
            assert invocation.status == _S.SUCCESS
            assert add(5).result == 15
        statuses = [entry.status for entry in invocation.history]
        assert statuses == [_S.REGISTERED, _S.PENDING, _S.RUNNING, _S.SUCCESS]

    def test_a_coroutine_function_gives_its_result(self, app: Pynenc) -> None:
        add = app.task(kit_functions.add_async)

        async def call() -> int:
            return cast(int, await _dist(add(1, 2)).async_result())

        with running(app):
            assert asyncio.run(call()) == 3

    def test_parameters_of_every_kind_arrive(self, app: Pynenc) -> None:
        spread = app.task(kit_functions.spread)
        with running(app):
            assert spread(1, 2, 3, extra=4).result == {"sum": 6, "extra": 4}

    def test_an_error_is_raised_with_the_remote_traceback(self, app: Pynenc) -> None:
        fail = app.task(kit_functions.fail)
        with running(app):
            invocation = fail("broken")
            with pytest.raises(ValueError, match="broken") as caught:
                _ = invocation.result
        assert "raise ValueError(message)" in str(caught.value.__cause__)
        assert invocation.status == _S.FAILED

    def test_a_task_runs_again_as_often_as_it_may(self, app: Pynenc) -> None:
        task = app.task(max_retries=2)(kit_functions.succeed_after)
        with running(app):
            invocation = task(2)
            assert invocation.result == 2
            assert invocation.num_retries == 2
            with pytest.raises(Exception, match="not yet"):
                _ = task(3).result

    def test_a_group_gives_results_in_order(self, app: Pynenc) -> None:
        add = app.task(kit_functions.add)
        with running(app):
            group = add.parallelize([(1, 1), {"x": 2, "y": 2}, add.args(3, y=3), (4,)])
            assert list(group.results) == [2, 4, 6, 14]
            assert list(group.results) == [2, 4, 6, 14]
            again = add.parallelize((number, 0) for number in range(250))
            ended = list(again.as_completed())
            assert sorted(each.result for each in ended) == list(range(250))

    def test_a_group_can_be_awaited(self, app: Pynenc) -> None:
        add = app.task(kit_functions.add)

        async def gather() -> list[int]:
            return [each async for each in (add.parallelize([(1, 1), (2, 2)])).async_results()]

        with running(app):
            assert asyncio.run(gather()) == [2, 4]

    def test_the_last_progress_report_is_there_with_the_result(self, app: Pynenc) -> None:
        task = app.task(kit_functions.count_to)
        with running(app):
            call = task(500)
            assert call.result == 500
        report = app.get_invocation(call.invocation_id).progress()
        assert report is not None
        assert (report.done, report.total, report.message) == (500, 500, "counting 500")
        (stored,) = app.state_backend.read(ProgressData, [call.invocation_id])
        assert stored is not None
        assert (stored.done, stored.message) == (500, "counting 500")

    def test_a_runner_that_drains_claims_nothing_more(self, app: Pynenc) -> None:
        add = app.task(kit_functions.add)
        with running(app):
            assert add(1).result == 11
            runner_id = app.runner.runner_id
            assert drain(app.components, runner_id)
            assert not drain(app.components, runner_id[-8:])
            while app.runner.health.why_not_ready() != "draining":  # the test's own limit ends a vain wait
                time.sleep(0.005)
            waiting = add(2)
            with pytest.raises(TimeoutError):
                waiting.wait(0.3)
            assert not waiting.status.final
            assert undrain(app.components, runner_id)
            assert waiting.result == 12
            assert not undrain(app.components, runner_id)
        with pytest.raises(RunnerError, match="no live runner has this id"):
            drain(app.components, runner_id)

    def test_common_arguments_are_shared(self, app: Pynenc) -> None:
        size_of = app.task(kit_functions.size_of)
        data = "x" * 100_000
        group = size_of.parallelize([{"at": at} for at in range(20)], {"data": data})
        ids = [each.invocation_id for each in group.invocations]
        stored = [each.arguments for each in app.state_backend.read_invocations(ids) if each]
        assert max(map(len, stored)) < 1000
        with running(app):
            assert list(group.results) == [100_000 + at for at in range(20)]

    def test_tasks_that_wait_for_tasks_do_not_block_each_other(self, app: Pynenc) -> None:
        fibonacci = app.task(kit_functions.fibonacci)
        with running(app):
            assert fibonacci(8).result == 21

    def test_a_circle_of_waits_is_an_error(self, app: Pynenc) -> None:
        alone = app.task(kit_functions.wait_for_oneself)
        other = app.task(kit_functions.wait_for_other)
        first_id, second_id = new_id(), new_id()
        self._submit_as(app, other, first_id, second_id)
        self._submit_as(app, other, second_id, first_id)
        with running(app):
            with pytest.raises(WaitCycleError, match="in a circle"):
                _ = app.get_invocation(first_id).result
            with pytest.raises(WaitCycleError, match="in a circle"):
                _ = alone().result

    @staticmethod
    def _submit_as(app: Pynenc, task: Any, invocation_id: str, argument: str) -> None:
        """Submit a call under an id that was chosen before."""
        key = task.task_id.key
        packed = encode_arguments(app.components.values.pack_arguments([{"other_id": argument}])[0])
        now = app.orchestrator.now()
        data = InvocationData(invocation_id, key, packed, now, invocation_id, key, None, None, "kit")
        state = InvocationState(invocation_id, key, _S.REGISTERED, changed_at=now, since=now)
        submit(app.components, [NewInvocation(data, state)])

    def test_a_child_joins_the_workflow_of_its_caller(self, app: Pynenc) -> None:
        workflow_of = app.task(kit_functions.workflow_of)
        with running(app):
            invocation = workflow_of()
            expected = (invocation.invocation_id, workflow_of.task_id.key, None)
            assert tuple(invocation.result) == expected

    # --- from outside ------------------------------------------------------------------

    def test_a_handle_comes_from_an_id(self, app: Pynenc) -> None:
        add = app.task(kit_functions.add)
        invocation = add(1, 2)
        found = app.get_invocation(invocation.invocation_id)
        assert (found, found.arguments.kwargs, found.status) == (invocation, {"x": 1, "y": 2}, _S.REGISTERED)
        assert found.workflow == invocation.workflow
        with pytest.raises(InvocationNotFoundError, match="unknown"):
            app.get_invocation("unknown")

    def test_invocations_are_found(self, app: Pynenc) -> None:
        add, fail = app.task(kit_functions.add), app.task(kit_functions.fail)
        first, second, other = add(1), add(2), fail("x")
        assert app.find_invocations() == [other, second, first]
        assert app.find_invocations(add) == [second, first]
        assert app.find_invocations(statuses="registered", limit=1) == [other]
        assert app.find_invocations(statuses=[_S.SUCCESS, "failed"]) == []
        assert app.find_invocations(since=app.orchestrator.now() + 60) == []

    def test_an_argument_that_cannot_be_written_stores_nothing(self, app: Pynenc) -> None:
        add = app.task(kit_functions.add)
        with pytest.raises(SerializationError, match="argument 'y'"):
            add(1, cast(int, lambda: 1))
        with pytest.raises(SerializationError):
            add.parallelize([(1, 1), (2, lambda: 1)])
        assert app.find_invocations() == []
        assert app.broker.queues() == []

    def test_a_task_that_is_not_known_is_left_to_runners_that_know_it(self, app: Pynenc) -> None:
        add = app.task(kit_functions.add)
        invocation = add(1)
        del app.tasks[add.task_id]
        with running(app):
            while not _is_blocked(app, invocation.invocation_id):
                pass
            app.task(kit_functions.add)
            assert invocation.wait(60) == 11
        assert not _is_blocked(app, invocation.invocation_id)

    def test_a_task_that_is_not_known_fails_clearly(self, app: Pynenc) -> None:
        app.conf.unknown_task_grace = 0
        add = app.task(kit_functions.add)
        invocation = add(1)
        del app.tasks[add.task_id]
        with running(app), pytest.raises(Exception, match=r"kit_functions\.add' is not known here"):
            _ = invocation.result

    # --- ownership and recovery --------------------------------------------------------

    def test_an_invocation_is_claimed_once(self, app: Pynenc) -> None:
        invocation = app.task(kit_functions.add)(1)
        (message,) = app.broker.take(_QUEUES, 1, 0)
        app.broker.push([msgspec.structs.replace(message.message, queue="copy")])
        app.broker.ack([message])
        app.broker.push([msgspec.structs.replace(message.message, queue="copy")])
        (claimed,) = claim(app.components, "r1", ["copy"], 5, 0)
        assert claimed.data.invocation_id == invocation.invocation_id
        app.broker.push([message.message])
        assert claim(app.components, "r2", _QUEUES, 5, 0) == []
        assert app.broker.queues() == []

    def test_what_was_claimed_can_be_given_back(self, app: Pynenc) -> None:
        app.task(kit_functions.add)(1)
        hand_back_claimed(app.components, claim(app.components, "r1", _QUEUES, 5, 0), "r1")
        (claimed,) = claim(app.components, "r2", _QUEUES, 5, 0)
        assert (claimed.state.runner_id, claimed.state.claim) == ("r2", 2)

    def test_a_runner_that_lost_its_invocation_cannot_finish_it(self, app: Pynenc) -> None:
        invocation = _dist(app.task(kit_functions.add)(1))
        (old,) = finish_and_start(
            app.components, "r1", [], claim(app.components, "r1", _QUEUES, 5, 0)
        ).started
        assert recovery.recover_runners(app.components, ["r1"], "boss") == 1
        (new,) = finish_and_start(
            app.components, "r2", [], claim(app.components, "r2", _QUEUES, 5, 0)
        ).started
        assert len(_finish(app, old, "r1", "from the dead").lost) == 1
        assert app.orchestrator.read_states([invocation.invocation_id])[0] == new.state
        assert _finish(app, new, "r2", "right").lost == []
        assert len(_finish(app, old, "r1", "from the dead").lost) == 1
        assert invocation.result == "right"
        assert [entry.status for entry in invocation.history][3:5] == [_S.RUNNING_RECOVERY, _S.REROUTED]

    def test_even_the_same_runner_cannot_finish_an_older_claim(self, app: Pynenc) -> None:
        invocation = _dist(app.task(kit_functions.add)(1))
        (old,) = finish_and_start(
            app.components, "r1", [], claim(app.components, "r1", _QUEUES, 5, 0)
        ).started
        recovery.recover_runners(app.components, ["r1"], "boss")
        (new,) = finish_and_start(
            app.components, "r1", [], claim(app.components, "r1", _QUEUES, 5, 0)
        ).started
        assert len(_finish(app, old, "r1", "old").lost) == 1
        _finish(app, new, "r1", "new")
        assert invocation.result == "new"

    def test_a_step_repeated_after_a_lost_reply_is_no_loss(self, app: Pynenc) -> None:
        app.task(kit_functions.add)(1)
        (pending,) = claim(app.components, "r1", _QUEUES, 5, 0)
        for _ in range(2):
            (started,) = finish_and_start(app.components, "r1", [], [pending]).started
        for _ in range(2):
            assert _finish(app, started, "r1", 1).lost == []

    def test_running_invocations_are_handed_back_at_a_stop(self, app: Pynenc) -> None:
        invocation = _dist(app.task(kit_functions.add)(1))
        (claimed,) = finish_and_start(
            app.components, "r1", [], claim(app.components, "r1", _QUEUES, 5, 0)
        ).started
        hand_back_running(app.components, [claimed], "r1")
        assert [entry.status for entry in invocation.history][-2:] == [_S.KILLED, _S.REROUTED]
        assert len(claim(app.components, "r2", _QUEUES, 5, 0)) == 1

    def test_what_takes_down_every_runner_is_given_up(self, app: Pynenc) -> None:
        app.conf.max_recoveries = 2
        invocation = _dist(app.task(kit_functions.add)(1))
        for attempt in range(3):
            runner_id = f"r{attempt}"
            (claimed,) = finish_and_start(
                app.components, runner_id, [], claim(app.components, runner_id, _QUEUES, 5, 0)
            ).started
            recovery.recover_runners(app.components, [runner_id], "boss")
        assert len(_finish(app, claimed, "r2", "from the dead").lost) == 1
        with pytest.raises(RecoveryLimitError, match="3 times"):
            _ = invocation.result
        assert app.broker.queues() == []

    def test_silent_runners_lose_their_invocations_to_housekeeping(self, app: Pynenc) -> None:
        app.conf.runner_considered_dead_seconds = 1e-6
        add = app.task(kit_functions.add)
        add(1), add(2)
        now = app.orchestrator.now()
        app.orchestrator.heartbeat(["silent"], now - 100)
        app.orchestrator.heartbeat(["alive"], now + 3600)
        finish_and_start(app.components, "silent", [], claim(app.components, "silent", _QUEUES, 1, 0))
        finish_and_start(app.components, "alive", [], claim(app.components, "alive", _QUEUES, 1, 0))
        assert recovery.recover(app.components, "boss") == 1
        assert app.orchestrator.count_states(_S.RUNNING) == 1
        assert app.orchestrator.count_states(_S.REROUTED) == 1

    def test_one_runner_leads_at_a_time(self, app: Pynenc) -> None:
        now = app.orchestrator.now()
        app.orchestrator.heartbeat(["r1", "r2"], now)
        assert [lead(app.components, runner) for runner in ("r1", "r2", "r1")] == [True, False, True]
        resign(app.components, "r1")
        assert [lead(app.components, runner) for runner in ("r2", "r1")] == [True, False]
        app.orchestrator.heartbeat(["r2"], now - 100)
        assert [lead(app.components, runner) for runner in ("r1", "r2")] == [True, False]

    def test_a_claim_that_is_never_started_is_taken_back(self, app: Pynenc) -> None:
        app.conf.max_pending_seconds = 1e-6
        app.task(kit_functions.add)(1)
        (claimed,) = claim(app.components, "r1", _QUEUES, 5, 0)
        assert recovery.recover(app.components, "boss") == 1
        assert finish_and_start(app.components, "r1", [], [claimed]).started == []
        assert len(claim(app.components, "r2", _QUEUES, 5, 0)) == 1

    def test_a_record_without_a_message_is_queued_again(self, app: Pynenc) -> None:
        invocation = app.task(kit_functions.add)(1)
        app.broker.purge()
        future = app.orchestrator.now() + 60
        assert push_forgotten(app.components, future) == 1
        assert push_forgotten(app.components, future) == 0
        (claimed,) = claim(app.components, "r1", _QUEUES, 5, 0)
        assert claimed.data.invocation_id == invocation.invocation_id

    def test_ended_invocations_are_purged_with_all_they_left(self, app: Pynenc) -> None:
        add = app.task(kit_functions.add)
        ended, waiting = add(1), add(2)
        (claimed,) = finish_and_start(
            app.components, "r1", [], claim(app.components, "r1", _QUEUES, 1, 0)
        ).started
        _finish(app, claimed, "r1", 1)
        assert retention.purge_ended(app.components, app.orchestrator.now() - 60) == 0
        assert retention.purge_ended(app.components, app.orchestrator.now() + 60) == 1
        assert app.find_invocations() == [waiting]
        assert app.orchestrator.read_states([ended.invocation_id]) == [None]
        assert app.state_backend.read_outcomes([f"{ended.invocation_id}:1"]) == [None]

    def test_a_purge_of_the_app_leaves_nothing(self, app: Pynenc) -> None:
        app.task(kit_functions.add)(1)
        app.trigger.emit_event("code")
        app.purge()
        assert app.find_invocations() == []
        assert app.broker.queues() == []
        assert app.trigger.find_events("code") == []
