"""Payloads of events: they are stored as they are, or refused."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pynenc import Pynenc
from pynenc.exceptions import SerializationError
from pynenc.trigger.records import event_text


@dataclass
class Reading:
    values: tuple[float, ...]


@pytest.mark.parametrize(
    ("payload", "path"),
    [
        ({"a": math.nan}, "a is nan"),
        ({"a": [1, {"b": -math.inf}]}, r"a\[1\].b is -inf"),
        ({"reading": Reading((1.0, math.inf)), "none": None}, r"reading.values\[1\] is inf"),
    ],
)
def test_a_number_that_json_does_not_have_is_refused(payload: dict[str, Any], path: str) -> None:
    app = Pynenc({"app_id": "payloads"})
    with pytest.raises(SerializationError, match=f"event 'code' cannot be written as JSON: {path}"):
        app.trigger.emit_event("code", payload)
    assert app.trigger.find_events("code") == []


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
)


@given(payload=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), JSON))
def test_what_json_has_comes_back(payload: dict[str, Any]) -> None:
    assert json.loads(event_text("code", payload)) == payload


@pytest.mark.parametrize("text", ["caf\udce9", "\ud800"])
def test_a_lone_surrogate_is_refused(text: str) -> None:
    for payload in ({"a": text}, {text: 1}):
        with pytest.raises(SerializationError, match="cannot be written as JSON"):
            event_text("code", payload)
