"""The list at `BaseSerializer` is the list that the kit tries."""

from __future__ import annotations

import inspect

from pynenc.serializer import BaseSerializer
from pynenc.testing.required_values import REQUIRED


def test_the_class_lists_what_the_kit_tries() -> None:
    lines = inspect.cleandoc(str(BaseSerializer.__doc__)).splitlines()
    assert [line.removeprefix("- ") for line in lines if line.startswith("- ")] == list(REQUIRED)


def test_there_are_examples_of_each_kind() -> None:
    assert all(REQUIRED.values())
