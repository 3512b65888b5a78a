"""The promises of a serializer."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pynenc.app import Pynenc
from pynenc.exceptions import RemoteTaskError, SerializationError
from pynenc.serializer.exception_data import as_text, exception_data, unpack_exception
from pynenc.testing.app_fixtures import AppFixtures
from pynenc.testing.kit_values import VALUES, Colour, same

_PLAIN: list[Any] = [
    None,
    True,
    0,
    -(2**70),
    1.5,
    -0.0,
    "",
    "ünï\n\x00",
    [],
    {},
    [1, [2, {"a": [None]}]],
    {"key with space": {"": 1}},
    "py/object",
    ["json://1", "@ref:x", "__pynenc__"],
    {"__pynenc__": "enum", "class": "os:system"},
]


class KitError(Exception):
    """An exception that can be rebuilt."""


class OddError(Exception):
    """An exception that cannot be rebuilt from its arguments."""

    def __init__(self, first: str, lock: object) -> None:
        super().__init__(first)
        self.lock = lock


class SerializerSuite(AppFixtures):
    """Values: the same after a round trip, or a clear error before anything is stored."""

    @pytest.mark.parametrize("value", _PLAIN, ids=repr)
    def test_json_values_come_back(self, app: Pynenc, value: Any) -> None:
        text = app.serializer.serialize(value)
        assert isinstance(text, str)
        found = app.serializer.deserialize(text)
        assert found == value
        assert type(found) is type(value)

    def test_enumerations_come_back(self, app: Pynenc) -> None:
        text = app.serializer.serialize({"colour": Colour.RED})
        assert app.serializer.deserialize(text) == {"colour": Colour.RED}

    def test_exceptions_come_back(self, app: Pynenc) -> None:
        found = app.serializer.deserialize(app.serializer.serialize(KitError("why", 3)))
        assert type(found) is KitError
        assert found.args == ("why", 3)

    def test_values_come_back_the_same_or_are_refused(self, app: Pynenc) -> None:
        serializer = app.serializer

        @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
        @given(VALUES)
        def check(value: Any) -> None:
            try:
                text = serializer.serialize(value)
            except SerializationError:
                return
            text.encode()
            assert same(serializer.deserialize(text), value), text

        check()

    def test_odd_texts_raise_only_the_error_for_it(self, app: Pynenc) -> None:
        serializer = app.serializer
        texts = [serializer.serialize(value) for value in (_PLAIN, KitError("x"), {"a": Colour.RED})]

        @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
        @given(st.sampled_from(texts), st.integers(0, 10_000), st.text(max_size=3))
        def check(text: str, place: int, change: str) -> None:
            at = place % (len(text) + 1)
            with contextlib.suppress(SerializationError):
                serializer.deserialize(text[:at] + change + text[at + len(change) :])

        check()

    @pytest.mark.parametrize(
        "value", [threading.Lock(), lambda: None, (n for n in [1])], ids=["lock", "lambda", "generator"]
    )
    def test_what_cannot_be_written_is_refused(self, app: Pynenc, value: Any) -> None:
        with pytest.raises(SerializationError):
            app.serializer.serialize(value)
        with pytest.raises(SerializationError):
            app.serializer.serialize([{"deep": value}])

    @pytest.mark.parametrize("text", ["{", "\x00", "not a value"])
    def test_what_cannot_be_read_is_refused(self, app: Pynenc, text: str) -> None:
        with pytest.raises(SerializationError):
            app.serializer.deserialize(text)

    def test_task_errors_bring_the_remote_traceback(self, app: Pynenc) -> None:
        try:
            raise KitError("why")
        except KitError as error:
            text = as_text(exception_data(app.serializer, error))
        found = unpack_exception(app.serializer, text)
        assert type(found) is KitError
        assert "raise KitError" in str(found.__cause__)

    def test_errors_that_cannot_be_rebuilt_are_still_told(self, app: Pynenc) -> None:
        text = as_text(exception_data(app.serializer, OddError("why", threading.Lock())))
        found = unpack_exception(app.serializer, text)
        name = found.type_name if isinstance(found, RemoteTaskError) else type(found).__name__
        assert name.endswith("OddError")
        assert "why" in str(found)
        assert "OddError" in str(found.__cause__)
