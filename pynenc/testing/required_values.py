"""The kinds of values that every serializer carries, with examples; `BaseSerializer` lists them."""

from __future__ import annotations

import re
import sys
import threading
from array import array
from collections import Counter, OrderedDict, deque
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from types import MappingProxyType
from typing import Any

from pynenc.testing.kit_values import Colour


class KitError(Exception):
    """An exception that can be rebuilt."""


ODD: Sequence[Any] = [
    re.IGNORECASE | re.MULTILINE,
    OSError(2, "no such file", "/file"),
    ImportError("no such module", name="module", path="/path"),
    range(3),
    slice(1, 2),
    Ellipsis,
    NotImplemented,
    int,
    float("inf"),
    3 + 4j,
    b"\x00\xff",
    bytearray(b"x"),
    memoryview(b"x"),
    {1, "a"},
    frozenset([1]),
    deque([1], 5),
    Counter("aab"),
    OrderedDict(a=1),
    array("i", [1, 2]),
    MappingProxyType({"a": 1}),
    Decimal("NaN"),
    re.compile("a+", re.IGNORECASE),
    partial(int, "7"),
    {1: 2},
    {(1, 2): 3},
    {None: 1, True: 2},
    "\ud800",
    {"\ud800": 1},
    Exception("\ud800"),
    threading.Lock(),
    sys,
]
"""Values that a serializer carries right or refuses; it may do either."""

REQUIRED: Mapping[str, Sequence[Any]] = {
    "`None`, `True` and `False`": [None, True, False],
    "whole numbers of any size": [0, -1, 2**53 + 1, -(2**70)],
    "finite floating-point numbers, `-0.0` as `-0.0`": [1.5, -0.0, 1e-308, 0.1 + 0.2],
    "texts that can be encoded as UTF-8, with any characters": ["", "ünï\n\x00", "\U0001f600", "py/object"],
    "lists": [[], [1, [2, {"a": [None]}]], ["json://1", "@ref:x", "__pynenc__"]],
    "tuples": [(), (1, (2, "a")), [(None,)]],
    "dictionaries with texts as keys": [
        {},
        {"key with space": {"": 1}},
        {"__pynenc__": "enum", "class": "os:system"},
    ],
    "members of enumerations that are defined at the top level of a module": [Colour.RED, {"c": Colour.BLUE}],
    "exceptions whose class is defined there, if their arguments are carried": [KitError("why", 3)],
}
"""Kinds, in words, and examples of each; values of these kinds may be nested."""
