"""Tasks whose annotations say how plain JSON is read."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from pynenc import Pynenc

if TYPE_CHECKING:
    from nowhere import Missing

app = Pynenc({"app_id": "json_arguments", "runner_cls": "ThreadRunner"})


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Line:
    price: Decimal
    ordered_at: datetime


@dataclass
class Order:
    number: int
    lines: list[Line]


class Customer(BaseModel):
    name: str
    home: Path


class Raises:
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        raise KeyError("no schema")


@app.task
def ship(order: Order, customer: Customer, colour: Colour = Colour.RED, note=None) -> Any:  # type: ignore[no-untyped-def]
    return order, customer, colour, note


@app.task
def total(start: int, /, *prices: Decimal, **dates: datetime) -> Any:
    return start, prices, dates


@app.task
def unreadable(x: Raises) -> None: ...


@app.task
def unresolved(x: Missing) -> None: ...
