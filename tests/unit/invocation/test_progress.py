"""Reports of bodies on how far they have come, as values."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from pynenc.invocation.progress import new_progress


@pytest.mark.parametrize(
    ("done", "total", "message", "text"),
    [
        (3, 10, "reading", "3 of 10 (30 %): reading"),
        (3, None, None, "3"),
        (0, 0, None, "0 of 0 (100 %)"),
        (12, 10, "", "12 of 10 (100 %)"),
        (1.5, 1_000_000, None, "1.5 of 1,000,000 (0 %)"),
        (999, 1000, None, "999 of 1,000 (99 %)"),
        (Decimal("2.5"), Fraction(5), None, "2.5 of 5 (50 %)"),
        (1, 2, "\ud800 half", "1 of 2 (50 %): \\ud800 half"),
    ],
)
def test_reports_in_words(done: Any, total: Any, message: str | None, text: str) -> None:
    assert str(new_progress(done, total, message, 0.0)) == text


def test_a_long_message_is_cut() -> None:
    message = new_progress(1, None, "x" * 10_000, 0.0).message
    assert message == "x" * 499 + "…"


@pytest.mark.parametrize("value", [-1, math.nan, math.inf, -math.inf, 10**400, Decimal("nan")])
@pytest.mark.parametrize("name", ["done", "total"])
def test_numbers_that_say_nothing_are_refused(name: str, value: Any) -> None:
    given = {"done": 1, "total": 2} | {name: value}
    with pytest.raises(ValueError, match=f"'{name}' of a progress report is .*; it takes a number from 0 on"):
        new_progress(message=None, now=0.0, **given)


@pytest.mark.parametrize("value", ["1", b"1", True, 1j, [1], object()])
def test_what_is_not_a_number_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="'done' of a progress report is not a number"):
        new_progress(value, None, None, 0.0)


def test_a_message_is_a_string() -> None:
    with pytest.raises(TypeError, match="is not a string"):
        new_progress(1, None, ["a"], 0.0)  # type: ignore[arg-type]
