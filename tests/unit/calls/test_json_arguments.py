"""Plain JSON as the arguments of annotated parameters."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import json_tasks
import pytest
from json_tasks import Colour, Customer, Line, Order

from pynenc.exceptions import SerializationError
from pynenc.invocation.arguments import Arguments
from pynenc.testing.app_fixtures import running

ORDER = '{"number": 3, "lines": [{"price": "1.50", "ordered_at": "2026-01-01T10:00:00+02:00"}]}'
CUSTOMER = '{"name": "Ada", "home": "/home/ada"}'


def test_annotated_parameters_become_what_their_annotations_say() -> None:
    text = f'{{"order": {ORDER}, "customer": {CUSTOMER}, "colour": "red", "note": "2026-01-01"}}'
    arguments = json_tasks.ship.args_from_json(text)
    when = dt.datetime(2026, 1, 1, 8, tzinfo=dt.UTC)
    assert arguments == Arguments(
        {
            "order": Order(3, [Line(Decimal("1.50"), when)]),
            "customer": Customer(name="Ada", home=Path("/home/ada")),
            "colour": Colour.RED,
            "note": "2026-01-01",
        }
    )
    with running(json_tasks.app):
        order, customer, colour, note = json_tasks.ship.call_with(arguments).result
    assert (order, customer, colour, note) == tuple(arguments.kwargs.values())
    assert order.lines[0].ordered_at.utcoffset() == dt.timedelta(hours=2)


def test_an_array_gives_arguments_by_position() -> None:
    assert json_tasks.total.args_from_json('[1, "2.5", 3]') == json_tasks.total.args(
        1, Decimal("2.5"), Decimal(3)
    )
    invocation = json_tasks.total.call_with(json_tasks.total.args_from_json("[1]"))
    assert invocation.kwargs == {"start": 1}


def test_named_extras_are_read_by_their_annotation() -> None:
    read = json_tasks.total.binder.bind((1,), {"due": dt.datetime(2026, 1, 1)})
    # From Python 3.13 on, a name of a positional-only parameter counts among those of `**dates`.
    with pytest.raises((TypeError, SerializationError), match=r"positional|argument 'dates'"):
        json_tasks.total.args_from_json('{"start": 1, "due": "2026-01-01T00:00:00"}')
    assert read["dates"] == {"due": dt.datetime(2026, 1, 1)}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ('{"note": NaN}', "NaN is not a JSON number"),
        ('"order"', "JSON object with their names"),
        ("3", "JSON object with their names"),
        ("[" * 100_000, "nested too deeply"),
        (f'{{"order": {ORDER}, "customer": {{"name": 3, "home": "/"}}}}', "argument 'customer' → .name"),
        (
            f'{{"order": {ORDER.replace("1.50", "much")}, "customer": {CUSTOMER}}}',
            "argument 'order' → .lines[0].price",
        ),
        (f'{{"order": {ORDER}, "customer": {CUSTOMER}, "colour": "blue"}}', "argument 'colour'"),
        (f'{{"order": {ORDER}, "customer": {{"name": "\\ud800", "home": "/"}}}}', "argument 'customer'"),
    ],
)
def test_what_does_not_fit_is_told_with_its_path(text: str, told: str) -> None:
    with pytest.raises(SerializationError) as caught:
        json_tasks.ship.args_from_json(text)
    assert told in str(caught.value)


@pytest.mark.parametrize("text", ["{}", "[1, 2, 3, 4, 5, 6]", '{"order": 1, "unknown": 2}'])
def test_arguments_that_the_function_does_not_take_are_a_type_error(text: str) -> None:
    with pytest.raises(TypeError, match=r"ship\(\)"):
        json_tasks.ship.args_from_json(text)


@pytest.mark.parametrize(
    ("task", "told"),
    [(json_tasks.unreadable, "no schema"), (json_tasks.unresolved, "'Missing' is not defined")],
)
def test_an_annotation_that_cannot_be_read_is_told(task: Any, told: str) -> None:
    with pytest.raises(SerializationError, match=told):
        task.args_from_json('{"x": 1}')
