"""Values of every carried kind: classes of the kit, and Hypothesis strategies that nest them."""

from __future__ import annotations

import dataclasses
import math
import re
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum
from pathlib import PurePosixPath
from typing import Any, Generic, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import msgspec
import pydantic
from hypothesis import strategies as st
from pydantic_core import TzInfo

from pynenc.exceptions import RemoteTraceback

T = TypeVar("T")


class Colour(Enum):
    """An enumeration."""

    RED = "red"
    BLUE = (1, 2)


class Level(IntEnum):
    """An enumeration of numbers."""

    LOW = 1


class Access(Flag):
    """Flags."""

    READ = 1
    WRITE = 2


@dataclasses.dataclass
class Order(Generic[T]):
    """A generic dataclass with a field that no argument sets."""

    number: int
    lines: list[T]
    total: int = dataclasses.field(init=False, default=0)


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    """A frozen dataclass with slots."""

    x: Any
    y: Any = None


class Pair(NamedTuple):
    """A named tuple."""

    first: Any
    second: Any = 0


class Record(msgspec.Struct):
    """A struct."""

    key: str
    value: Any = None


class Model(pydantic.BaseModel):
    """A model that takes further fields."""

    model_config = pydantic.ConfigDict(extra="allow", arbitrary_types_allowed=True)

    name: str
    value: Any = None


class Money:
    """A class that says itself how it is written."""

    def __init__(self, amount: Decimal) -> None:
        self.amount = amount

    def to_json(self) -> list[Decimal]:
        """Return what it consists of."""
        return [self.amount]

    @classmethod
    def from_json(cls, data: list[Decimal]) -> Money:
        """Return the object that consists of this."""
        return cls(data[0])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and same(self.amount, other.amount)

    __hash__ = None  # type: ignore[assignment]


class RefusedError(Exception):
    """An exception that cannot be made of its arguments, and has attributes."""

    def __init__(self, code: int, *, detail: Any = None) -> None:
        super().__init__(f"refused with {code}")
        self.code = code
        self.detail = detail


# --- strategies --------------------------------------------------------------------------

_ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=8)
_OFFSETS = st.timedeltas(timedelta(hours=-23), timedelta(hours=23))
_ZONES = st.one_of(
    st.none(),
    st.sampled_from([UTC, ZoneInfo("Europe/Berlin")]),
    _OFFSETS.map(timezone),
    st.integers(-86_399, 86_399).map(TzInfo),
)

_HASHABLE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**400), 10**400),
    _ANY_TEXT,
    st.binary(max_size=8),
    st.decimals(allow_nan=False),
    st.fractions(),
    st.uuids(),
    st.dates(),
    st.timedeltas(),
    st.ip_addresses(),
    st.sampled_from([*Colour, *Level, Access.READ, Access.READ | Access.WRITE, Access(0)]),
    _ANY_TEXT.map(PurePosixPath),
)
_LEAVES = st.one_of(
    _HASHABLE,
    st.floats(),
    st.complex_numbers(),
    st.decimals(),
    st.binary(max_size=8).map(bytearray),
    st.datetimes(timezones=_ZONES),
    st.builds(datetime.replace, st.datetimes(), fold=st.sampled_from([0, 1])),
    st.times(timezones=_ZONES),
    st.builds(range, st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 9)),
    st.builds(slice, st.none() | st.integers(), st.integers()),
    st.just(...),
    st.just(NotImplemented),
    st.sampled_from([re.compile("a.*", re.IGNORECASE), re.compile(b"\xff")]),
)


def _around(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return values that hold other values."""
    lists = st.lists(inner, max_size=3)
    keyed = st.dictionaries(_HASHABLE, inner, max_size=3)
    named = st.dictionaries(_ANY_TEXT, inner, max_size=3)
    return st.one_of(
        lists,
        lists.map(tuple),
        st.sets(_HASHABLE, max_size=3),
        st.frozensets(_HASHABLE, max_size=3),
        st.builds(deque, lists, st.none() | st.integers(3, 9)),
        named,
        keyed,
        keyed.map(OrderedDict),
        keyed.map(lambda items: defaultdict(list, items)),
        st.dictionaries(_HASHABLE, st.integers(-3, 3), max_size=3).map(_counted),
        st.builds(Order, st.integers(), lists),
        st.builds(Point, inner, inner),
        st.builds(Pair, inner, inner),
        st.builds(Record, _ANY_TEXT, inner),
        st.builds(Model.model_construct, name=st.just("m"), value=inner, extra=inner),
        st.decimals(allow_nan=False).map(Money),
        st.builds(RefusedError, st.integers(), detail=inner),
        lists.map(lambda items: KeyError(*items)),
        st.builds(ExceptionGroup, st.just("g"), st.just([ValueError(1), RefusedError(2)])),
    )


def _counted(counts: Mapping[Any, int]) -> Counter[Any]:
    counter: Counter[Any] = Counter()
    dict.update(counter, counts)
    return counter


VALUES: st.SearchStrategy[Any] = st.recursive(_LEAVES, _around, max_leaves=8)
"""Values of all carried kinds, nested in each other."""


# --- comparing ---------------------------------------------------------------------------


def same(one: Any, other: Any) -> bool:
    """Return whether two values have the same type and content; `nan` is the same as `nan`."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return (math.isnan(one) and math.isnan(other)) or repr(one) == repr(other)
    if isinstance(one, (complex, Decimal)):
        return repr(one) == repr(other)
    if isinstance(one, BaseException):
        return _same_exception(one, other)
    if isinstance(one, (list, tuple, deque)):
        rest = getattr(one, "maxlen", None) == getattr(other, "maxlen", None)
        return rest and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        factories = getattr(one, "default_factory", None) is getattr(other, "default_factory", None)
        return factories and same(list(one.items()), list(other.items()))
    if isinstance(one, (datetime, time)):
        return bool(one == other and one.fold == other.fold and same(one.tzinfo, other.tzinfo))
    if isinstance(one, re.Pattern):
        return (one.pattern, one.flags) == (other.pattern, other.flags)
    if dataclasses.is_dataclass(one) or isinstance(one, pydantic.BaseModel):
        return same(_content(one), _content(other))
    if isinstance(one, msgspec.Struct):
        return same(msgspec.structs.astuple(one), msgspec.structs.astuple(other))
    return bool(one == other)


def _same_exception(one: BaseException, other: BaseException) -> bool:
    causes = [
        None if isinstance(each.__cause__, RemoteTraceback) else each.__cause__ for each in (one, other)
    ]
    attributes = [
        {name: value for name, value in each.__dict__.items() if name != "__orig_class__"}
        for each in (one, other)
    ]
    parts = [(each.args, *more) for each, *more in zip((one, other), attributes, causes, strict=True)]
    return same(*parts)


def _content(value: Any) -> Any:
    if isinstance(value, pydantic.BaseModel):
        return (value.__dict__, value.__pydantic_extra__, value.__pydantic_fields_set__)
    return [getattr(value, field.name) for field in dataclasses.fields(value)]
