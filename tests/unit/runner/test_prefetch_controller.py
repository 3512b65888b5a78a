"""How many invocations a worker claims in one go."""

from __future__ import annotations

from pynenc.runner.prefetch_controller import PrefetchController


def test_it_begins_with_one_and_doubles_while_invocations_are_short() -> None:
    pace = PrefetchController(0.05, 50)
    limits = []
    for _ in range(8):
        limits.append(pace.limit())
        pace.note(0.0001)
    assert limits == [1, 2, 4, 8, 16, 32, 50, 50]


def test_a_long_invocation_counts_at_once() -> None:
    pace = PrefetchController(0.05, 50)
    for _ in range(100):
        pace.note(0.0001)
        pace.limit()
    pace.note(1.0)
    assert pace.limit() == 1


def test_long_invocations_are_claimed_one_by_one() -> None:
    pace = PrefetchController(0.05, 50)
    for _ in range(10):
        pace.note(1.0)
        assert pace.limit() == 1


def test_a_horizon_of_zero_claims_one_by_one() -> None:
    pace = PrefetchController(0.0, 50)
    for _ in range(10):
        pace.note(0.0001)
        assert pace.limit() == 1
