"""The promises of concurrency control, the result cache and options of a call."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, cast

import pytest

from pynenc.app import Pynenc
from pynenc.calls.interfaces import BaseInvocation
from pynenc.client.dist_invocation import DistributedInvocation, ReusedInvocation
from pynenc.conf.config_task import ConcurrencyControlType
from pynenc.exceptions import (
    ConcurrencyControlledError,
    InvocationConcurrencyWithDifferentArgumentsError,
)
from pynenc.invocation.claim import Claim
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle import recovery
from pynenc.lifecycle.claiming import claim, hand_back_claimed
from pynenc.lifecycle.execution import Finished, finish_and_start
from pynenc.lifecycle.resending import SETTLE_S, push_forgotten
from pynenc.testing import kit_functions
from pynenc.testing.app_fixtures import AppFixtures, running

_S = InvocationStatus
_MODE = ConcurrencyControlType


def _claim(app: Pynenc, runner_id: str = "r1", limit: int = 10, queue: str = "default") -> list[Claim]:
    """Claim and start."""
    claims = claim(app.components, runner_id, [queue], limit, 0)
    return finish_and_start(app.components, runner_id, [], claims).started


def _end(app: Pynenc, claimed: Claim, status: InvocationStatus = _S.SUCCESS) -> None:
    runner_id = claimed.state.runner_id or ""
    finish_and_start(
        app.components, runner_id, [Finished(claimed, status, app.components.values.pack_result(1))], []
    )


def _ids(claims: list[Claim]) -> list[str]:
    return [each.data.invocation_id for each in claims]


def _statuses(app: Pynenc, invocations: list[BaseInvocation[Any, Any]]) -> list[InvocationStatus]:
    states = app.orchestrator.read_states([each.invocation_id for each in invocations])
    return [state.status for state in states if state is not None]


class ConcurrencySuite(AppFixtures):
    """Slots, registrations, cached results, queues, priorities and delays."""

    # --- running -----------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("mode", "at_once"), [(_MODE.DISABLED, 4), (_MODE.TASK, 1), (_MODE.ARGUMENTS, 3), (_MODE.KEYS, 2)]
    )
    def test_no_two_run_that_count_as_the_same(self, app: Pynenc, mode: _MODE, at_once: int) -> None:
        keys = ("x",) if mode == _MODE.KEYS else ()
        options: dict[str, Any] = {"running_concurrency": mode, "key_arguments": keys}
        add = app.task(reroute_on_concurrency_control=True, **options)(kit_functions.add)
        for arguments in ((1, 1), (1, 1), (1, 2), (2, 2)):
            add(*arguments)
        begun = _claim(app)
        assert len(begun) == at_once
        assert app.orchestrator.count_states(_S.CONCURRENCY_CONTROLLED) == 4 - at_once
        rounds = 0
        while begun:
            assert len(begun) <= at_once
            for each in begun:
                _end(app, each)
            begun = _claim(app)
            rounds += 1
        assert app.orchestrator.count_states(_S.SUCCESS) == 4
        assert app.broker.queues() == []
        if mode == _MODE.TASK:
            assert rounds == 4

    def test_defaults_count_as_if_they_were_given(self, app: Pynenc) -> None:
        add = app.task(running_concurrency=_MODE.ARGUMENTS)(kit_functions.add)
        first, second, other = add(1), add(1, 10), add(1, 11)
        assert _ids(_claim(app)) == [first.invocation_id, other.invocation_id]
        assert _statuses(app, [second]) == [_S.CONCURRENCY_CONTROLLED_FINAL]

    def test_what_has_begun_waits_for_its_slot_and_is_never_refused(self, app: Pynenc) -> None:
        task = app.task(running_concurrency=_MODE.TASK, max_retries=1)(kit_functions.add)
        begun = task(1)
        (first,) = _claim(app)
        _end(app, first, _S.RETRY)  # between two attempts it holds no slot
        taken = task.options(priority=5)(2)
        never_begun = task(3)
        (second,) = _claim(app)
        assert second.data.invocation_id == taken.invocation_id
        assert _statuses(app, [begun, never_begun]) == [
            _S.CONCURRENCY_CONTROLLED,
            _S.CONCURRENCY_CONTROLLED_FINAL,
        ]
        _end(app, second)
        assert _ids(_claim(app)) == [begun.invocation_id]

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ({"a", "b", "c"}, {"c", "b", "a"}),
            ({"x": 1, "y": [2]}, {"y": [2], "x": 1}),
            ([{(1, 2): "t", 3: "i"}], [{3: "i", (1, 2): "t"}]),
            ({"big": "v" * 5000, "n": 1}, {"n": 1, "big": "v" * 5000}),
        ],
    )
    def test_equal_values_are_equal_whatever_their_order(self, app: Pynenc, one: Any, other: Any) -> None:
        task: Any = app.task(registration_concurrency=_MODE.ARGUMENTS)(kit_functions.add)
        first, second = task(one), task(other)
        assert second.invocation_id == first.invocation_id
        assert isinstance(second, ReusedInvocation)
        assert second.different_arguments == ()
        assert task([one]).invocation_id != first.invocation_id

    def test_blocked_invocations_end_unless_they_are_to_wait(self, app: Pynenc) -> None:
        add = app.task(running_concurrency=_MODE.TASK)(kit_functions.add)
        add(1)
        blocked = add(2)
        (begun,) = _claim(app)
        with pytest.raises(ConcurrencyControlledError, match="never ran"):
            _ = blocked.result
        _end(app, begun)
        add(3)
        assert len(_claim(app)) == 1

    def test_the_blocked_are_served_in_order(self, app: Pynenc) -> None:
        add = app.task(running_concurrency=_MODE.TASK, reroute_on_concurrency_control=True)(kit_functions.add)
        invocations = [add(number) for number in range(6)]
        (begun,) = _claim(app)
        order = _ids([begun])
        late = add(99)
        for _ in range(6):
            _end(app, begun)
            (begun,) = _claim(app)
            order += _ids([begun])
        assert order == [each.invocation_id for each in [*invocations, late]]

    @pytest.mark.parametrize("how", ["retry", "recover", "give back", "fail"])
    def test_a_slot_comes_free_however_its_holder_leaves(self, app: Pynenc, how: str) -> None:
        add = app.task(running_concurrency=_MODE.TASK, reroute_on_concurrency_control=True)(kit_functions.add)
        add(1)
        second = add(2)
        if how == "give back":
            hand_back_claimed(app.components, claim(app.components, "r1", ["default"], 10, 0), "r1")
        else:
            (begun,) = _claim(app)
            if how == "recover":
                recovery.recover_runners(app.components, ["r1"], "boss")
            else:
                _end(app, begun, _S.RETRY if how == "retry" else _S.FAILED)
        assert second.invocation_id in _ids(_claim(app, "r2"))

    def test_the_slot_of_a_holder_that_vanished_is_taken_over(self, app: Pynenc) -> None:
        add = app.task(running_concurrency=_MODE.TASK, reroute_on_concurrency_control=True)(kit_functions.add)
        add(1)
        (begun,) = _claim(app)
        app.orchestrator.delete([begun.state])
        second = add(2)
        assert _ids(_claim(app)) == [second.invocation_id]

    def test_recovery_wakes_who_was_forgotten_in_line(self, app: Pynenc) -> None:
        add = app.task(running_concurrency=_MODE.TASK, reroute_on_concurrency_control=True)(kit_functions.add)
        add(1)
        second = add(2)
        (begun,) = _claim(app)
        app.orchestrator.delete([begun.state])
        states = app.orchestrator.find_states(_S.CONCURRENCY_CONTROLLED)
        assert [state.invocation_id for state in states] == [second.invocation_id]
        moment = app.orchestrator.now() + SETTLE_S + 1
        assert recovery.wake_blocked(app.components, moment, "boss") == 1
        assert _ids(_claim(app)) == [second.invocation_id]

    # --- registration ------------------------------------------------------------------

    def test_an_equal_call_that_waits_is_returned(self, app: Pynenc) -> None:
        add = app.task(registration_concurrency=_MODE.ARGUMENTS)(kit_functions.add)
        first = add(1)
        again, other = add(1, y=10), add(2)
        assert isinstance(again, ReusedInvocation)
        assert (again, again.different_arguments) == (first, ("y",))
        assert not isinstance(other, ReusedInvocation)
        assert len(app.find_invocations()) == 2
        (begun, _) = _claim(app)
        assert not isinstance(add(1), ReusedInvocation)
        _end(app, begun)

    def test_keys_decide_and_differences_are_told(self, app: Pynenc) -> None:
        options: dict[str, Any] = {"registration_concurrency": _MODE.KEYS, "key_arguments": ("x",)}
        add = app.task(**options)(kit_functions.add)
        first, again = add(1, 1), add(1, 2)
        assert isinstance(again, ReusedInvocation)
        assert (again, again.different_arguments) == (first, ("y",))
        strict = app.task(on_diff_non_key_args_raise=True, **options)(kit_functions.add)
        with pytest.raises(InvocationConcurrencyWithDifferentArgumentsError, match="differs in: y"):
            strict(1, 2)
        assert isinstance(strict(1, 1), ReusedInvocation)
        assert len(app.find_invocations()) == 1

    def test_a_group_finds_equal_calls_in_itself(self, app: Pynenc) -> None:
        add = app.task(registration_concurrency=_MODE.TASK)(kit_functions.add)
        group = add.parallelize([(1, 1), (2, 2), (3, 3)])
        assert len({each.invocation_id for each in group}) == 1
        assert len(_claim(app)) == 1

    # --- cached results ----------------------------------------------------------------

    def test_a_known_result_is_given_without_a_run(self, app: Pynenc) -> None:
        add = app.task(call_result_cache=True)(kit_functions.add)
        with running(app):
            first = add(1, 2)
            assert first.result == 3
            again, other = add(1, 2), add(2, 2)
            assert (again, again.result, again.status) == (first, 3, _S.SUCCESS)
            assert other != first
            assert other.result == 4

    def test_failures_are_not_cached(self, app: Pynenc) -> None:
        fail = app.task(call_result_cache=True)(kit_functions.fail)
        first = fail("x")
        (begun,) = _claim(app)
        _end(app, begun, _S.FAILED)
        assert fail("x") != first

    # --- options of a call -------------------------------------------------------------

    def test_priority_and_queue_are_honoured(self, app: Pynenc) -> None:
        add = app.task(priority=1, queue="kit")(kit_functions.add)
        low, high = add.options(priority=0)(1), add.options(priority=9)(2)
        middle, elsewhere = add(3), add.options(queue="other")(4)
        claims = _claim(app, queue="kit")
        assert _ids(claims) == [each.invocation_id for each in (high, middle, low)]
        assert _ids(_claim(app, queue="other")) == [elsewhere.invocation_id]

    def test_a_delayed_call_waits_for_its_time(self, app: Pynenc) -> None:
        add = app.task(kit_functions.add)
        far = datetime.now(UTC) + timedelta(hours=1)
        for delayed in (add.options(delay=3600), add.options(eta=far), add.options(delay=timedelta(hours=1))):
            delayed(1)
        now = add.options(delay=0)(2)
        assert _ids(_claim(app)) == [now.invocation_id]
        state = app.orchestrator.find_states(_S.REGISTERED, limit=1)[0]
        assert state.not_before > app.orchestrator.now() + 3000
        assert push_forgotten(app.components, app.orchestrator.now() + 60) == 0
        with running(app):
            assert add.options(delay=0.05)(3, 4).result == 7

    def test_a_retry_waits_for_its_time(self, app: Pynenc) -> None:
        task = app.task(max_retries=3, retry_delay=0.02, retry_backoff=2)(kit_functions.succeed_after)
        with running(app):
            invocation = cast("DistributedInvocation[..., int]", task(3))
            assert invocation.result == 3
        starts = [entry.timestamp.timestamp() for entry in invocation.history if entry.status == _S.RUNNING]
        # The pause begins when the body asks for it, which is after the start and before the status.
        pauses = [following - start for start, following in pairwise(starts)]
        assert [pause >= 0.02 * 2**at for at, pause in enumerate(pauses)] == [True] * 3
