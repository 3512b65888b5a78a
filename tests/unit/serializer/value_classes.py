"""Classes whose objects the tests of serializers write and read."""

from __future__ import annotations

import dataclasses
from enum import Enum
from typing import Any

import attrs
import msgspec
import pydantic


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
