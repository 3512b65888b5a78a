"""The promises of cancelling and timeouts."""

from __future__ import annotations

from typing import Any, cast

import pytest

from pynenc.app import Pynenc
from pynenc.calls.interfaces import BaseInvocation
from pynenc.client.dist_invocation import DistributedInvocation
from pynenc.conf.config_task import ConcurrencyControlType
from pynenc.exceptions import InvocationCancelledError, InvocationTimeoutError
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle import recovery
from pynenc.lifecycle.claiming import claim, hand_back_claimed
from pynenc.lifecycle.execution import finish_and_start
from pynenc.testing import kit_functions
from pynenc.testing.app_fixtures import AppFixtures, running

_S = InvocationStatus
_QUEUES = ["default"]


def _statuses(invocation: BaseInvocation[Any, Any]) -> list[InvocationStatus]:
    history = cast("DistributedInvocation[..., Any]", invocation).history
    return [entry.status for entry in history]


def _until(invocation: BaseInvocation[Any, Any], status: InvocationStatus) -> None:
    """Wait until an invocation has had a status; the test's own limit ends a vain wait."""
    while status not in _statuses(invocation):
        pass


class CancelSuite(AppFixtures):
    """Cancelling what waits, runs, pauses or is blocked; runs that take too long."""

    def test_what_waits_ends_at_once(self, app: Pynenc) -> None:
        invocation = app.task(kit_functions.add)(1)
        invocation.cancel()
        assert invocation.status == _S.CANCELLED
        with pytest.raises(InvocationCancelledError, match="was cancelled"):
            _ = invocation.result
        assert claim(app.components, "r1", _QUEUES, 5, 0) == []
        assert app.broker.queues() == []

    def test_what_is_delayed_or_has_to_run_again_ends_at_once(self, app: Pynenc) -> None:
        delayed = app.task(kit_functions.add).options(delay=3600)(1)
        delayed.cancel()
        assert delayed.status == _S.CANCELLED

    def test_what_has_ended_stays_as_it_is(self, app: Pynenc) -> None:
        with running(app):
            invocation = app.task(kit_functions.add)(1)
            assert invocation.result == 11
            invocation.cancel()
            assert (invocation.status, invocation.result) == (_S.SUCCESS, 11)

    def test_what_runs_is_asked_to_end(self, app: Pynenc) -> None:
        with running(app):
            invocation = app.task(kit_functions.spin)()
            _until(invocation, _S.RUNNING)
            invocation.cancel()
            with pytest.raises(InvocationCancelledError):
                _ = invocation.result
            assert app.task(kit_functions.add)(1).result == 11

    def test_what_waits_for_another_is_asked_to_end(self, app: Pynenc) -> None:
        with running(app):
            invocation = app.task(kit_functions.wait_for_ever)()
            _until(invocation, _S.PAUSED)
            invocation.cancel()
            with pytest.raises(InvocationCancelledError):
                _ = invocation.result

    def test_what_was_claimed_and_not_started_ends(self, app: Pynenc) -> None:
        invocation = app.task(kit_functions.add)(1)
        claims = claim(app.components, "r1", _QUEUES, 5, 0)
        invocation.cancel()
        hand_back_claimed(app.components, claims, "r1")
        assert claim(app.components, "r2", _QUEUES, 5, 0) == []
        assert _statuses(invocation)[-1] == _S.CANCELLED

    def test_what_its_dead_runner_could_not_end_is_ended_by_recovery(self, app: Pynenc) -> None:
        invocation = app.task(kit_functions.add)(1)
        finish_and_start(app.components, "r1", [], claim(app.components, "r1", _QUEUES, 5, 0))
        invocation.cancel()
        assert _statuses(invocation)[-1] == _S.RUNNING
        recovery.recover_runners(app.components, ["r1"], "boss")
        assert _statuses(invocation)[-3:] == [_S.RUNNING_RECOVERY, _S.REROUTED, _S.CANCELLED]
        assert claim(app.components, "r2", _QUEUES, 5, 0) == []

    def test_one_in_line_leaves_the_line(self, app: Pynenc) -> None:
        options: dict[str, Any] = {"running_concurrency": ConcurrencyControlType.TASK}
        add = app.task(reroute_on_concurrency_control=True, **options)(kit_functions.add)
        first, second, third = add(1), add(2), add(3)
        finish_and_start(app.components, "r1", [], claim(app.components, "r1", _QUEUES, 5, 0))
        second.cancel()
        first.cancel()
        recovery.recover_runners(app.components, ["r1"], "boss")
        assert [_statuses(each)[-1] for each in (first, second)] == [_S.CANCELLED] * 2
        (claimed,) = claim(app.components, "r2", _QUEUES, 5, 0)
        assert claimed.data.invocation_id == third.invocation_id

    def test_a_run_that_takes_too_long_fails(self, app: Pynenc) -> None:
        spin = app.task(timeout=0.02)(kit_functions.spin)
        with running(app):
            with pytest.raises(InvocationTimeoutError, match=r"longer than its timeout of 0\.02 s"):
                _ = spin().result
            with pytest.raises(InvocationTimeoutError, match=r"timeout of 0\.03 s"):
                _ = spin.options(timeout=0.03)().result

    def test_waiting_counts_towards_the_timeout(self, app: Pynenc) -> None:
        with running(app), pytest.raises(InvocationTimeoutError):
            _ = app.task(timeout=0.05)(kit_functions.wait_for_ever)().result
