"""The state machine of an invocation."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pynenc.exceptions import StatusOwnershipError, StatusTransitionError
from pynenc.invocation.status import (
    RULES,
    InvocationStatus,
    StatusRecord,
    change_status,
    initial_record,
)

S = InvocationStatus
NOW = datetime(2026, 1, 2, tzinfo=UTC)

FROM_QUEUE = {"PENDING", "CONCURRENCY_CONTROLLED", "CONCURRENCY_CONTROLLED_FINAL", "CANCELLED"}
EDGES = {
    "REGISTERED": FROM_QUEUE,
    "REROUTED": FROM_QUEUE,
    "RETRY": FROM_QUEUE,
    "CONCURRENCY_CONTROLLED": {"REROUTED", "CANCELLED"},
    "CONCURRENCY_CONTROLLED_FINAL": set(),
    "PENDING": {
        "RUNNING",
        "REROUTED",
        "KILLED",
        "CONCURRENCY_CONTROLLED",
        "CONCURRENCY_CONTROLLED_FINAL",
        "PENDING_RECOVERY",
        "CANCELLED",
    },
    "PENDING_RECOVERY": {"REROUTED"},
    "RUNNING": {"PAUSED", "SUCCESS", "FAILED", "RETRY", "KILLED", "RUNNING_RECOVERY", "CANCELLED"},
    "PAUSED": {"RUNNING", "KILLED", "RUNNING_RECOVERY", "CANCELLED"},
    "RUNNING_RECOVERY": {"REROUTED", "FAILED"},
    "KILLED": {"REROUTED"},
    "SUCCESS": set(),
    "FAILED": set(),
    "CANCELLED": set(),
}


def test_the_edges_are_those_of_the_table() -> None:
    assert {status.name: {target.name for target in rule.targets} for status, rule in RULES.items()} == EDGES


def test_values_are_names_in_lower_case() -> None:
    assert all(status.value == status.name.lower() for status in S)


def test_final_and_available_statuses() -> None:
    waiting = {S.REGISTERED, S.REROUTED, S.RETRY}
    assert {s for s in S if s.is_final()} == {
        S.SUCCESS,
        S.FAILED,
        S.CANCELLED,
        S.CONCURRENCY_CONTROLLED_FINAL,
    }
    assert {s for s in S if s.is_available_for_run()} == waiting
    assert {s for s in S if s.counts_as_waiting} == {*waiting, S.CONCURRENCY_CONTROLLED}
    assert {s for s in S if s.needs_owner} == {S.PENDING, S.RUNNING, S.PAUSED}
    assert {s for s in S if s.has_outcome} == {S.SUCCESS, S.FAILED}
    assert {s for s in S if s.is_passing} == {S.KILLED, S.PENDING_RECOVERY, S.RUNNING_RECOVERY}
    assert S.SUCCESS.is_final()
    assert S.RETRY.is_available_for_run()
    assert S.PENDING.can_transition_to(S.RUNNING)
    assert not S.PENDING.can_transition_to(S.SUCCESS)


def test_every_status_can_reach_an_end() -> None:
    ending = {status for status in S if status.final}
    while more := {status for status in S if RULES[status].targets & ending} - ending:
        ending |= more
    assert ending == set(S)


def test_an_invocation_begins_registered() -> None:
    record = change_status(None, S.REGISTERED, "client", NOW)
    assert record == StatusRecord(S.REGISTERED, None, NOW, 0)
    with pytest.raises(StatusTransitionError, match=r"from \(none\) to pending; allowed: registered"):
        change_status(None, S.PENDING, "r1", NOW)


def test_a_claim_takes_ownership_and_raises_the_claim_number() -> None:
    record = change_status(initial_record(NOW), S.PENDING, "r1", NOW)
    assert record == StatusRecord(S.PENDING, "r1", NOW, 1)
    with pytest.raises(StatusOwnershipError):
        change_status(initial_record(NOW), S.PENDING, None, NOW)


def test_only_the_owner_goes_on() -> None:
    pending = change_status(initial_record(NOW), S.PENDING, "r1", NOW)
    with pytest.raises(StatusOwnershipError, match="belongs to runner r1, but r2 attempted it"):
        change_status(pending, S.RUNNING, "r2", NOW)
    running = change_status(pending, S.RUNNING, "r1", NOW)
    assert running.runner_id == "r1"
    assert change_status(running, S.SUCCESS, "r1", NOW).runner_id is None


@pytest.mark.parametrize(
    ("status", "recovery"), [(S.PENDING, S.PENDING_RECOVERY), (S.PAUSED, S.RUNNING_RECOVERY)]
)
def test_recovery_overrides_the_owner(status: InvocationStatus, recovery: InvocationStatus) -> None:
    owned = StatusRecord(status, "dead", NOW, 3)
    assert change_status(owned, recovery, "boss", NOW) == StatusRecord(recovery, None, NOW, 3)


def test_an_error_names_what_is_allowed() -> None:
    with pytest.raises(StatusTransitionError, match="from killed to success; allowed: rerouted"):
        change_status(StatusRecord(S.KILLED, None, NOW), S.SUCCESS, "r1", NOW)
    with pytest.raises(StatusTransitionError, match="nothing, it is final"):
        change_status(StatusRecord(S.SUCCESS, None, NOW), S.RUNNING, "r1", NOW)


@given(st.lists(st.tuples(st.sampled_from(S), st.sampled_from(["r1", "r2", None])), max_size=30))
def test_whatever_is_tried_the_record_stays_legal(tries: list[tuple[InvocationStatus, str | None]]) -> None:
    record = initial_record(NOW)
    for wanted, runner_id in tries:
        before = record
        try:
            record = change_status(record, wanted, runner_id, NOW)
        except (StatusTransitionError, StatusOwnershipError):
            assert record == before
            continue
        assert before.status.can_transition_to(record.status)
        assert record.claim == before.claim + (record.status == S.PENDING)
        assert (record.runner_id is not None) == RULES[record.status].owned
