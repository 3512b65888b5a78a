"""The promises of a serializer."""

from __future__ import annotations

import contextlib
import threading
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pynenc.app import Pynenc
from pynenc.exceptions import RemoteTaskError, SerializationError
from pynenc.serializer.exception_data import as_text, exception_data, unpack_exception
from pynenc.testing.app_fixtures import AppFixtures
from pynenc.testing.kit_values import VALUES, same
from pynenc.testing.promises import check
from pynenc.testing.required_values import ODD, REQUIRED, KitError

_EXAMPLES = [(kind, value) for kind, values in REQUIRED.items() for value in values]


class OddError(Exception):
    """An exception that cannot be rebuilt from its arguments."""

    def __init__(self, first: str, lock: object) -> None:
        super().__init__(first)
        self.lock = lock


class SerializerSuite(AppFixtures):
    """Values: the same after a round trip, or a clear error before anything is stored."""

    @pytest.mark.parametrize(("kind", "value"), _EXAMPLES, ids=[repr(value) for _, value in _EXAMPLES])
    def test_required_values_come_back(self, app: Pynenc, kind: str, value: Any) -> None:
        text: Any = None
        try:
            text = app.serializer.serialize(value)
            found: Any = app.serializer.deserialize(text)
        except SerializationError as error:
            found = error
        check(
            isinstance(text, str) and _is_same(found, value),
            f"every serializer carries {kind}",
            f"serialize {value!r}; deserialize the text {text!r}",
            found,
            "the list at the class `BaseSerializer`",
        )

    @pytest.mark.parametrize("value", ODD, ids=lambda value: type(value).__name__)
    def test_odd_values_come_back_the_same_or_are_refused(self, app: Pynenc, value: Any) -> None:
        found: Any
        try:
            found = app.serializer.deserialize(app.serializer.serialize(value))
        except SerializationError:
            return
        except Exception as error:  # noqa: BLE001 - which one is what is looked at
            found = error
        check(
            _is_same(found, value),
            "a value comes back equal and of the same type, or is refused with a SerializationError",
            f"serialize {value!r}; deserialize the text",
            found,
            "`serialize`, which has to refuse what it does not carry",
        )

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
        texts = [serializer.serialize(value) for _, value in _EXAMPLES]

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


def _is_same(found: Any, value: Any) -> bool:
    """Return whether a value has come back as it was."""
    if type(found) is not type(value):
        return False
    if isinstance(value, BaseException):
        facts = ("args", "filename", "name", "path")
        return all(getattr(found, each, None) == getattr(value, each, None) for each in facts)
    if isinstance(value, partial):
        return bool((found.func, found.args) == (value.func, value.args))
    return bool(same(found, value)) or bool(found == value)
