"""The kinds of values that every serializer carries, with examples; `BaseSerializer` lists them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pynenc.testing.kit_values import Colour


class KitError(Exception):
    """An exception that can be rebuilt."""


REQUIRED: Mapping[str, Sequence[Any]] = {
    "`None`, `True` and `False`": [None, True, False],
    "whole numbers of any size": [0, -1, 2**53 + 1, -(2**70)],
    "finite floating-point numbers, `-0.0` as `-0.0`": [1.5, -0.0, 1e-308, 0.1 + 0.2],
    "texts that can be encoded as UTF-8, with any characters": ["", "ünï\n\x00", "\U0001f600", "py/object"],
    "lists": [[], [1, [2, {"a": [None]}]], ["json://1", "@ref:x", "__pynenc__"]],
    "dictionaries with texts as keys": [
        {},
        {"key with space": {"": 1}},
        {"__pynenc__": "enum", "class": "os:system"},
    ],
    "members of enumerations that are defined at the top level of a module": [Colour.RED, {"c": Colour.BLUE}],
    "exceptions whose class is defined there, if their arguments are carried": [KitError("why", 3)],
}
"""Kinds, in words, and examples of each; values of these kinds may be nested."""
