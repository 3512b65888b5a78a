"""Classes whose objects the tests of serializers write and read."""

from __future__ import annotations

import dataclasses
from enum import Enum
from typing import Any, Generic, NamedTuple, TypeVar

import attrs
import msgspec
import pydantic

from pynenc.exceptions import StorageUnavailableError


@attrs.define
class Plain:
    x: int
    _y: list[int] = attrs.Factory(list)


@attrs.frozen(cache_hash=True)
class Frozen:
    x: int


@attrs.define(slots=False)
class Loose:
    x: int
    later: int = attrs.field(init=False)


@dataclasses.dataclass
class Order:
    number: int
    lines: list[Any] = dataclasses.field(default_factory=list)
    started: list[str] = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.started = ["the constructor ran"]


@dataclasses.dataclass
class Child(Order):
    extra: int = 3


class Root(pydantic.RootModel[list[int]]):
    pass


class Private(pydantic.BaseModel):
    a: int
    b: int = 2
    _hidden: int = pydantic.PrivateAttr(default=3)


class Record(msgspec.Struct, frozen=True):
    x: int
    y: int = 7


class Size(Enum):
    SMALL = 1
    TINY = SMALL


class Money:
    """Objects that only a converter can carry."""

    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and other.cents == self.cents


def money_to_plain(money: Money) -> int:
    return money.cents


def money_from_plain(cents: int) -> Money:
    return Money(cents)


class SubList(list):  # type: ignore[type-arg]
    pass


class Told(Exception):
    def __init__(self, code: int, *, detail: str = "none") -> None:
        super().__init__(f"told {code}")
        self.code, self.detail = code, detail


class Slotted(Exception):
    __slots__ = ("reason",)


class SubOSError(OSError):
    pass


# --- classes whose objects are more than their fields, or run code ------------------------


class Counting(msgspec.Struct):
    x: int

    def __post_init__(self) -> None:
        self.x += 1


class Dynamic(msgspec.Struct, dict=True):
    x: int


@dataclasses.dataclass
class Plain2:
    x: Any


class Sub2(Plain2):
    pass


@dataclasses.dataclass
class Computed:
    x: int

    @property  # type: ignore[no-redef]
    def x(self) -> int:
        return 1

    @x.setter
    def x(self, value: int) -> None:
        if not isinstance(value, int):
            raise AssertionError("the setter ran")


@dataclasses.dataclass
class ListOf(list):  # type: ignore[type-arg]
    name: str = ""


class Slots:
    __slots__ = ("hidden",)


@dataclasses.dataclass
class Hidden(Slots):
    x: int

    def __post_init__(self) -> None:
        self.hidden = 1


class Extra(pydantic.BaseModel, extra="allow"):
    a: int = 1


class Grouped(ExceptionGroup):  # type: ignore[type-arg]
    def __new__(cls, message: str, errors: list[Exception], code: int) -> Grouped:
        return super().__new__(cls, message, errors)


class NamedSub(NamedTuple("NamedSub", [("x", int), ("y", int)])):
    __slots__ = ()


T = TypeVar("T")


class Generic1(Exception, Generic[T]):
    pass


@dataclasses.dataclass
class Index:
    def __index__(self) -> int:
        raise AssertionError("a method of a value ran")


class Proxy:
    def __getattribute__(self, name: str) -> Any:
        raise AssertionError("a method of an object in a module ran")


PROXY = Proxy()


class Unavailable:
    def to_json(self) -> Any:
        raise StorageUnavailableError("odd")

    @classmethod
    def from_json(cls, data: Any) -> Unavailable:
        raise StorageUnavailableError("odd")


def with_note(value: Any, name: str = "note") -> Any:
    value.__dict__[name] = "n"
    return value
