"""Text that stands for odd objects can always be made, stored and shown."""

from __future__ import annotations

from typing import Any

import pytest

from pynenc.identifiers.texts import described, error_text, shown, storable, traceback_text, type_name


class Exiting:
    def __repr__(self) -> str:
        raise SystemExit(3)


class Texts(str):
    def __str__(self) -> str:
        raise SystemExit(3)

    __repr__ = encode = isascii = __str__  # type: ignore[assignment]


class BadText(Exception):
    def __str__(self) -> Any:
        return 7


class Sub(Exception):
    def __str__(self) -> str:
        return Texts("a text of a class of its own")


class Meta(type):
    def __getattribute__(cls, name: str) -> Any:
        if name in ("__qualname__", "__module__", "__name__"):
            raise SystemExit(3)
        return super().__getattribute__(name)


class Lying(Exception, metaclass=Meta):
    pass


class BadTraceback(Exception):
    @property
    def __traceback__(self) -> Any:  # type: ignore[override]
        raise GeneratorExit

    @property
    def __cause__(self) -> Any:  # type: ignore[override]
        raise GeneratorExit


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("caf\udce9"), "caf\\udce9"),
        (BadText(), "<its text cannot be made: TypeError>"),
        (Sub(), "a text of a class of its own"),
        (ValueError("x" * 1_000_000), "characters left out"),
        (KeyError("k"), "'k'"),
    ],
    ids=["surrogate", "no text", "subclass", "long", "key"],
)
def test_the_text_of_an_error(error: BaseException, text: str) -> None:
    found = error_text(error)
    assert text in found
    assert len(found.encode()) < 110_000


@pytest.mark.parametrize("error", [BadText(), Sub(), Lying("x"), BadTraceback("x"), SyntaxError("x")])
def test_a_traceback_can_always_be_made(error: BaseException) -> None:
    with pytest.raises(type(error)):
        raise error
    assert traceback_text(error).encode()


def test_a_traceback_of_many_frames_is_short() -> None:
    def deeper(depth: int) -> None:
        if depth:
            deeper_still(depth - 1)
        raise ValueError("bottom")

    def deeper_still(depth: int) -> None:
        deeper(depth)

    with pytest.raises(ValueError, match="bottom") as caught:
        deeper(400)
    text = traceback_text(caught.value)
    assert "bottom" in text
    assert text.count("\n") < 1000


def test_odd_objects_are_shown() -> None:
    assert shown(Exiting()) == "<test_texts.Exiting, whose repr raises SystemExit>"
    assert described(Exiting()) == "an object of Exiting"
    assert shown("x" * 100, 5) == "'xxxx..."
    assert type_name(Lying).endswith("Lying")
    assert storable("caf\udce9") == "caf\\udce9"
    assert storable("caf\xe9") == "caf\xe9"
