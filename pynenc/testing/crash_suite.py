"""A crash at every point: whatever operation is the last, nothing is lost and nothing runs double.

For each scenario and each operation that changes something, the process dies once before and
once after it. Then recovery runs with the clock put forward, a healthy runner finishes what can
be run, the dead runner comes back as a zombie and tries to finish what it had, and everything
that is stored is checked.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from pynenc.app import Pynenc
from pynenc.conf.config_pynenc import ConfigPynenc
from pynenc.invocation.state import InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle import recovery, retention, slots
from pynenc.lifecycle.claiming import claim
from pynenc.lifecycle.execution import Finished, finish_and_start
from pynenc.lifecycle.value_retention import large_values
from pynenc.testing.app_fixtures import AppFixtures
from pynenc.testing.crash_scenarios import LEAVE_MUCH, QUEUES, SCENARIOS, Life
from pynenc.testing.faulty_storage import CrashPlan, SimulatedCrash, put_faulty

_S = InvocationStatus
_LONG_S = 1000.0
_LONG_TIME_S = 30 * 86400.0
_ROUNDS = 12


class CrashSuite(AppFixtures):
    """The promise of delivery, at every crash point."""

    @pytest.mark.timeout(600)  # each crash point is a life of its own
    @pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
    def test_a_crash_at_any_operation_loses_nothing(
        self, app: Pynenc, scenario: Callable[[Life], None]
    ) -> None:
        plan = put_faulty(app)
        plan.arm(None)
        scenario(Life(app, plan))
        steps = plan.steps
        assert steps > 0
        for number in range(steps):
            for after in (False, True):
                self._crash_once(app, plan, scenario, number, after)

    def _crash_once(
        self, app: Pynenc, plan: CrashPlan, scenario: Callable[[Life], None], number: int, after: bool
    ) -> None:
        plan.arm(None)
        app.purge()
        app.client_data_store.forget()
        app.conf.max_recoveries = ConfigPynenc.model_fields["max_recoveries"].default
        life = Life(app, plan)
        plan.arm(number, after)
        with pytest.raises(SimulatedCrash):
            scenario(life)
        plan.arm(None)
        place = f"{scenario.__name__}: died {'after' if after else 'before'} operation {number}"
        settle(life, plan)
        let_zombie_finish(life)
        check(life, place)
        if scenario in LEAVE_MUCH:
            check_cleaning(life, plan, place)


def settle(life: Life, plan: CrashPlan) -> None:
    """Let recovery and a healthy runner do their work until nothing is left to do."""
    app = life.app
    # Where one at a time may run, each round ends one.
    for _ in range(_ROUNDS + 2 * _unfinished(app)):
        plan.clock_offset_s += _LONG_S
        recovered = recovery.recover(app.components, "boss")
        claims = claim(app.components, "r9", QUEUES, 50, 0)
        started = finish_and_start(app.components, "r9", [], claims).started
        finish_and_start(app.components, "r9", [life.finished(each) for each in started], [])
        if not recovered and not claims and not _unfinished(app) and not app.broker.queues():
            return
    raise AssertionError("there is always something left to do")


def _unfinished(app: Pynenc) -> int:
    return sum(app.orchestrator.count_states(status) for status in _S if not status.final)


def let_zombie_finish(life: Life) -> None:
    """The runner that was dead finishes everything that it ever had in hand."""
    for each in life.held:
        if each.state.status == _S.RUNNING and each.state.runner_id is not None:
            late = Finished(each, _S.SUCCESS, life.app.components.values.pack_result("zombie"))
            finish_and_start(life.app.components, each.state.runner_id, [late], [])


def check(life: Life, place: str) -> None:
    """Everything that the promise says, of everything that is stored."""
    app = life.app
    assert app.broker.queues() == [], f"{place}: a message is left"
    stored = [state for status in _S for state in app.orchestrator.find_states(status, limit=1000)]
    known = {state.invocation_id for state in stored}
    assert set(life.accepted) <= known, f"{place}: an accepted invocation is lost"
    for state in stored:
        assert state.status.final, f"{place}: {state} has not ended"
        _check_history(app, state, place)
        if state.invocation_id in life.accepted or state.outcome_id is not None:
            _check_outcome(app, state, place)
        if state.slot_key is not None:
            (slot,) = app.orchestrator.read_slots([state.slot_key])
            assert slot is None or not slots.counts(slot, state), f"{place}: a slot is left"


def check_cleaning(life: Life, plan: CrashPlan, place: str) -> None:
    """Clean up; what is needed stays, and once nothing is needed nothing is left."""
    app = life.app
    plan.clock_offset_s += _LONG_TIME_S
    _clean(app, ended_before=0.0)
    app.client_data_store.forget()
    stored = [state for status in _S for state in app.orchestrator.find_states(status, limit=1000)]
    data = app.state_backend.read_invocations([state.invocation_id for state in stored])
    kept = {each.invocation_id: each.arguments for each in data if each is not None}
    assert set(life.accepted) <= set(kept), f"{place}: a call is gone while its record is there"
    app.components.values.unpack_arguments(list(kept.values()))
    for state in stored:
        if state.invocation_id in life.accepted:
            _check_outcome(app, state, place)
    plan.clock_offset_s += _LONG_TIME_S
    _clean(app, ended_before=app.orchestrator.now())
    plan.clock_offset_s += _LONG_TIME_S
    _clean(app, ended_before=app.orchestrator.now())
    assert app.state_backend.find_invocations() == [], f"{place}: a call is left"
    assert not any(app.orchestrator.count_states(status) for status in _S), place
    outcomes = [state.outcome_id for state in stored if state.outcome_id is not None]
    assert not any(app.state_backend.read_outcomes(outcomes)), f"{place}: an outcome is left"
    keys = [key for each in stored for key in (each.slot_key, each.registration_key, each.cache_key) if key]
    assert not any(app.orchestrator.read_slots(keys)), f"{place}: the entry of a key is left"
    blobs = sorted(plan.blobs)
    assert not any(app.client_data_store.get(blobs)), f"{place}: a large value is left"
    assert not any(app.state_backend.uses_of(each, 1) for each in blobs), f"{place}: a use is left"


def _clean(app: Pynenc, ended_before: float) -> None:
    now = app.orchestrator.now()
    for going in (
        retention.ended_invocations(app.components, ended_before),
        retention.calls_without_record(app.components, now),
        large_values(app.components, now, again_after_s=1.0),
    ):
        for _ in going:
            pass


def _check_history(app: Pynenc, state: InvocationState, place: str) -> None:
    entries = app.orchestrator.history(state.invocation_id)
    assert entries[0].status == _S.REGISTERED, place
    for before, following in pairwise(entries):
        legal = before.status.can_transition_to(following.status)
        assert legal, f"{place}: {before.status} was followed by {following.status}"
    assert [entry.status.final for entry in entries].count(True) == 1, f"{place}: ended twice"
    assert entries[-1].status == state.status, place


def _check_outcome(app: Pynenc, state: InvocationState, place: str) -> None:
    if state.status in (_S.CONCURRENCY_CONTROLLED_FINAL, _S.CANCELLED):
        return
    (outcome,) = app.state_backend.read_outcomes([state.outcome_id or ""])
    assert outcome is not None, f"{place}: the outcome is lost"
    if state.status == _S.SUCCESS:
        (result,) = app.components.values.unpack_results([outcome.payload])
        owners = {
            f"{entry.runner_id}:{entry.claim}" for entry in app.orchestrator.history(state.invocation_id)
        }
        result = result.rstrip()
        assert result in owners, f"{place}: the result is that of {result}"
        assert result.endswith(f":{state.claim}"), f"{place}: the result is not that of the last claim"
