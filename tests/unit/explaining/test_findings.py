"""The words of findings: spans of time, ordinals, and places in code."""

from __future__ import annotations

import pytest

from pynenc.explaining.findings import ordinal, span
from pynenc.identifiers.tracebacks import place_of


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0 ms"),
        (0.042, "42 ms"),
        (0.25, "0.2 s"),
        (12, "12 s"),
        (119, "119 s"),
        (240, "4 min"),
        (9000, "2 h"),
        (3 * 86400, "3 days"),
    ],
)
def test_spans_are_words(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_ordinals() -> None:
    assert [ordinal(each) for each in (1, 2, 3, 4, 11, 12, 13, 21, 112)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "112th"
    ]  # fmt: skip


def test_the_place_of_a_failure_is_in_the_users_code() -> None:
    trace = (
        'Traceback (most recent call last):\n  File "/srv/shop/tasks.py", line 7, in price\n    x()\n'
        '  File "/usr/lib/python3.11/json/decoder.py", line 3, in decode\n    y()\nValueError: no\n'
    )
    assert str(place_of(trace)) == "tasks.py:7 in `price`"
    assert place_of("nothing") is None
    library = '  File "/usr/lib/python3.11/json/decoder.py", line 3, in decode\n'
    assert str(place_of(library)) == "decoder.py:3 in `decode`"
    assert str(place_of('  File "C:\\\\shop\\\\tasks.py", line 7, in price\n')) == "tasks.py:7 in `price`"
