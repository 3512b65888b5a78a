"""The promises of retention: what nothing needs is deleted, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pynenc.app import Pynenc
from pynenc.conf.config_task import ConcurrencyControlType
from pynenc.invocation.data import InvocationData, OutcomeData
from pynenc.invocation.packed_text import referred
from pynenc.invocation.state import outcome_id
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle import retention
from pynenc.lifecycle.claiming import claim
from pynenc.lifecycle.execution import Finished, finish_and_start
from pynenc.lifecycle.value_retention import large_values
from pynenc.state_backend.base_state_backend import RunnerData
from pynenc.state_backend.workflow_records import WorkflowEvent
from pynenc.testing import kit_functions, kit_workflows
from pynenc.testing.app_fixtures import AppFixtures, running
from pynenc.testing.crash_scenarios import QUEUES
from pynenc.testing.inline_runner import InlineRunner
from pynenc.trigger.records import EventWait

_S = InvocationStatus
_DAY_S = 86400.0
_LARGE = "large value " * 1000


def _count(going: Iterator[int]) -> int:
    return sum(going)


class RetentionSuite(AppFixtures):
    """Large values, runners and leftovers, each with what is like it and still needed."""

    # --- groups --------------------------------------------------------------------------

    @pytest.mark.parametrize("is_read_from_iterator", [False, True])
    def test_the_members_of_a_group_go_together(self, app: Pynenc, is_read_from_iterator: bool) -> None:
        task = app.task(kit_functions.add, parallel_batch_size=2)
        items = [(number, 1) for number in range(5)]
        group = task.parallelize(iter(items) if is_read_from_iterator else items)
        alone = task(7, 1)
        for each in (alone, *group.invocations[1:]):
            each.cancel()
        assert retention.purge_ended(app.components, app.orchestrator.now() + 1) == 1
        assert len(app.find_invocations(task)) == 5
        group.invocations[0].cancel()
        now = app.orchestrator.now()
        assert retention.purge_ended(app.components, now - _DAY_S) == 0
        assert retention.purge_ended(app.components, now + 1) == 5
        assert app.find_invocations(task) == []

    def test_a_call_with_a_key_for_a_time_is_kept_so_long(self, app: Pynenc) -> None:
        task = app.task(kit_functions.add)
        kept, short = (
            task.options(idempotency_key=str(ttl_s), idempotency_ttl=ttl_s)(1, 2) for ttl_s in (_DAY_S, 1e-6)
        )
        kept.cancel()
        short.cancel()
        assert retention.purge_ended(app.components, app.orchestrator.now() + 1) == 1
        assert app.get_invocation(kept.invocation_id).status == _S.CANCELLED
        again = task.options(idempotency_key="1e-06", idempotency_ttl=1)(1, 2)
        assert again.invocation_id == short.invocation_id
        assert again.status == _S.REGISTERED

    # --- large values --------------------------------------------------------------------

    def _ids(self, app: Pynenc) -> list[str]:
        """Return the ids of all large values that are known of, oldest first."""
        return [each.value_id for each in app.state_backend.values_to_look_at(1e12, 1000)]

    def _look(self, app: Pynenc, days: float = 2.0) -> int:
        """Look at values that are due some days from now; how many were deleted."""
        now = app.orchestrator.now() + days * _DAY_S
        return _count(large_values(app.components, now, again_after_s=_DAY_S))

    def test_a_large_value_stays_while_a_call_refers_to_it(self, app: Pynenc) -> None:
        task = app.task(kit_functions.size_of)
        first, second = task(_LARGE, 1), task(_LARGE, 2)
        (value_id,) = self._ids(app)
        assert self._look(app, days=0) == 0
        first.cancel()
        now = app.orchestrator.now()
        assert retention.purge_ended(app.components, now + 1) == 1
        assert self._look(app) == 0
        app.client_data_store.forget()
        with running(app):
            assert second.result == len(_LARGE) + 2
        assert retention.purge_ended(app.components, app.orchestrator.now() + 1) == 1
        assert self._look(app, days=5) == 1
        assert app.client_data_store.get([value_id]) == [None]
        assert self._ids(app) == []
        assert app.state_backend.uses_of(value_id, 9) == []

    def test_large_results_and_errors_go_with_their_invocation(self, app: Pynenc) -> None:
        task = app.task(kit_functions.add)
        task.parallelize([(1,), (2,)])
        claims = claim(app.components, "r1", QUEUES, 2, 0)
        started = finish_and_start(app.components, "r1", [], claims).started
        values = app.components.values
        payloads = [values.pack_result(_LARGE), values.pack_error(ValueError(_LARGE))]
        ends = [
            Finished(each, status, payload)
            for each, status, payload in zip(started, (_S.SUCCESS, _S.FAILED), payloads, strict=True)
        ]
        finish_and_start(app.components, "r1", ends, [])
        ids = [referred(each) for each in payloads]
        assert sorted(self._ids(app)) == sorted(each for each in ids if each is not None)
        assert self._look(app) == 0
        app.client_data_store.forget()
        (result,) = values.unpack_results([payloads[0]])
        assert result == _LARGE
        retention.purge_ended(app.components, app.orchestrator.now() + 1)
        assert self._look(app, days=5) == 2

    def test_a_value_to_which_nobody_came_to_refer_is_deleted(self, app: Pynenc) -> None:
        app.components.values.pack_result(_LARGE)
        (value_id,) = self._ids(app)
        assert self._look(app, days=0) == 0
        assert app.client_data_store.get([value_id]) != [None]
        assert self._look(app) == 1
        assert app.client_data_store.get([value_id]) == [None]

    def test_equal_calls_find_each_other_in_different_windows(self, app: Pynenc) -> None:
        task = app.task(kit_functions.size_of, registration_concurrency=ConcurrencyControlType.ARGUMENTS)
        first = task(_LARGE, 1)
        app.client_data_store.conf.sharing_window_minutes = 100 * 365 * 24 * 60.0
        again, other = task(_LARGE, 1), task(_LARGE, 2)
        assert len(self._ids(app)) == 2
        assert again.invocation_id == first.invocation_id
        assert other.invocation_id != first.invocation_id

    def test_a_shared_value_with_many_uses(self, app: Pynenc) -> None:
        task = app.task(kit_functions.size_of)
        others = task.parallelize([{"at": at} for at in range(119)], {"data": _LARGE})
        task(_LARGE, 119)
        (value_id,) = self._ids(app)
        others.cancel()
        assert retention.purge_ended(app.components, app.orchestrator.now() + 1) == 119
        assert self._look(app) == 0
        (left,) = app.state_backend.uses_of(value_id, 9)
        assert left.record_key == app.find_invocations()[0].invocation_id

    # --- workflows ---------------------------------------------------------------------

    def test_a_workflow_that_goes_on_for_ever_keeps_what_its_body_may_ask_for(self, app: Pynenc) -> None:
        app.task(kit_workflows.square)
        root = app.workflow(kit_workflows.goes_on_for_ever)(0)
        InlineRunner(app).run_due()
        assert app.get_invocation(root.invocation_id).status == _S.RETRY
        assert len(self._ids(app)) == 4
        assert retention.purge_ended(app.components, app.orchestrator.now() + 1) == 1
        (child,) = [each for each in app.find_invocations() if each.invocation_id != root.invocation_id]
        assert child.arguments.kwargs == {"number": 1}
        assert self._look(app) == 2
        app.client_data_store.forget()
        (value,) = app.state_backend.find_values(root.invocation_id)
        assert app.components.values.unpack_results([value.payload]) == ["1" * 5000]

    def test_waits_of_what_has_ended_are_deleted(self, app: Pynenc) -> None:
        task = app.task(kit_functions.add)
        waiting, ended = task(1), task(2)
        ended.cancel()
        for each in (waiting.invocation_id, ended.invocation_id, "gone"):
            app.trigger.save_waits([EventWait(f"{each}/0//1", "paid", each, "", 1.0)])
        assert _count(retention.ended_waits(app.components, 1.0)) == 0
        assert _count(retention.ended_waits(app.components, 2.0)) == 2
        assert [each.invocation_id for each in app.trigger.find_waits("paid")] == [waiting.invocation_id]

    def test_events_for_what_is_gone_are_deleted(self, app: Pynenc) -> None:
        here = app.task(kit_functions.add)(1).invocation_id
        for each in (here, "gone"):
            app.state_backend.save_events([WorkflowEvent(f"to {each}", each, "code", "{}", 1.0)])
        assert _count(retention.sent_events(app.components, 2.0)) == 1
        assert [len(app.state_backend.find_events(each)) for each in (here, "gone")] == [1, 0]

    # --- calls, outcomes, histories, runners --------------------------------------------

    def test_a_call_that_was_never_accepted_is_deleted(self, app: Pynenc) -> None:
        accepted = app.task(kit_functions.add)(1)
        (data,) = app.state_backend.read_invocations([accepted.invocation_id])
        assert data is not None
        values = {name: getattr(data, name) for name in InvocationData.__struct_fields__}
        app.state_backend.save_invocations([InvocationData(**values | {"invocation_id": "lost"})])
        later = app.orchestrator.now() + 1
        assert _count(retention.calls_without_record(app.components, later)) == 1
        found = app.state_backend.read_invocations([accepted.invocation_id, "lost"])
        assert found == [data, None]

    def test_a_runner_that_comes_too_late_leaves_no_outcome(self, app: Pynenc) -> None:
        app.task(kit_functions.add)(1)
        claims = claim(app.components, "r1", QUEUES, 1, 0)
        (started,) = finish_and_start(app.components, "r1", [], claims).started
        app.orchestrator.delete([started.state])
        payload = app.components.values.pack_result(1)
        result = finish_and_start(app.components, "r1", [Finished(started, _S.SUCCESS, payload)], [])
        assert [each.claim for each in result.lost] == [started]
        key = outcome_id(started.state.invocation_id, 1)
        assert app.state_backend.read_outcomes([key]) == [None]

    def test_an_outcome_that_counts_is_not_taken_for_one_that_came_too_late(self, app: Pynenc) -> None:
        app.task(kit_functions.add)(1)
        claims = claim(app.components, "r1", QUEUES, 1, 0)
        (started,) = finish_and_start(app.components, "r1", [], claims).started
        payload = app.components.values.pack_result(1)
        for _ in range(2):
            finish_and_start(app.components, "r1", [Finished(started, _S.SUCCESS, payload)], [])
        key = outcome_id(started.state.invocation_id, 1)
        assert app.state_backend.read_outcomes([key]) == [OutcomeData(key, 0, payload)]

    def test_runners_are_forgotten_when_they_have_been_silent_for_long(self, app: Pynenc) -> None:
        ids = ["gone", "alive", "seen"]
        seen = {"gone": 1.0, "alive": 1.0, "seen": 9.0}
        app.state_backend.save_runners(
            [RunnerData(each, "ThreadRunner", 1, "host", None, 1.0, seen[each]) for each in ids]
        )
        app.orchestrator.heartbeat(["alive"], app.orchestrator.now())
        assert _count(retention.silent_runners(app.components, 5.0)) == 1
        found = app.state_backend.read_runners(ids)
        assert [each and each.runner_id for each in found] == [None, "alive", "seen"]
        alive = found[1]
        assert alive is not None
        assert alive.seen_at == pytest.approx(app.orchestrator.now(), abs=60)

    def test_a_client_is_remembered_while_it_submits(self, app: Pynenc) -> None:
        app.state_backend.conf.runner_retention_hours = 1e-9
        task = app.task(kit_functions.add)
        task(1)
        (first,) = app.state_backend.find_runners(1e12, 9)
        app.state_backend.delete_runners([first.runner_id])
        task(2)
        (again,) = app.state_backend.find_runners(1e12, 9)
        assert (again.runner_id, again.started_at) == (first.runner_id, first.started_at)
        assert again.seen_at >= first.seen_at
