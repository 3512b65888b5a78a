"""Filters: values of all kinds, operators, nesting and combinations."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import plain_tasks
import pytest

from pynenc import Pynenc
from pynenc.exceptions import TaskDefinitionError
from pynenc.testing.evaluating import Evaluating, fired
from pynenc.trigger import on_event, on_result, on_status
from pynenc.trigger.definition import TriggerDefinition
from pynenc.trigger.filters import passes, result_passes
from pynenc.trigger.records import event_text


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1


MOMENT = dt.datetime(2030, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
VALUES = [
    MOMENT,
    dt.datetime(2030, 1, 2, 3, 4, 5, 6),
    dt.datetime(2030, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=2))),
    dt.date(2030, 1, 2),
    dt.time(3, 4, 5),
    dt.timedelta(days=1, microseconds=7),
    uuid.UUID(int=7),
    Decimal("1.50"),
    Colour.RED,
    Level.LOW,
    b"\x00\xff",
    (1, "x"),
    {1, 2},
    frozenset({"a"}),
    [Decimal("1.50"), (Colour.RED,)],
    {"inner": [MOMENT]},
    None,
    True,
    "text",
    1.5,
]
OTHERS = [*VALUES, Colour.BLUE, Decimal(2), (1,), {3}, "other", MOMENT + dt.timedelta(1)]


def carried(value: Any) -> Any:
    """Return a value as the payload of an event brings it."""
    return msgspec.json.decode(event_text("code", {"v": value}))


def stored(filter_: Any) -> Any:
    """Return a filter as a process that lacks its code reads it."""
    definition = on_event("code", filter_).build("shop.tasks.ship")
    (condition,) = TriggerDefinition.restored(definition.stored()).conditions
    return condition.payload_filter  # type: ignore[attr-defined]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_what_an_event_can_carry_matches_an_equal_value_and_no_other(value: Any) -> None:
    for filter_ in ({"v": value}, stored({"v": value})):
        assert passes(filter_, carried(value))
        assert not passes(filter_, {})
        assert not passes({"v": {"$ne": value}}, carried(value))
        assert passes({"v": {"$in": [object(), value]}}, carried(value))
        for other in OTHERS:
            if msgspec.json.encode(other, order="sorted") != msgspec.json.encode(value, order="sorted"):
                assert not passes(filter_, carried(other)) or other == value, other


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (Decimal("9.5"), Decimal("10")),
        (dt.date(2030, 1, 2), dt.date(2030, 1, 10)),
        (MOMENT, MOMENT.astimezone(dt.timezone(dt.timedelta(hours=-3))) + dt.timedelta(seconds=1)),
        (dt.timedelta(seconds=9), dt.timedelta(seconds=10)),
        (9, Decimal("10.5")),
        (Decimal("9.5"), 10),
        (2.5, Decimal(3)),
    ],
)
def test_values_are_ordered_by_what_they_are(low: Any, high: Any) -> None:
    for filter_ in ({"v": {"$gt": low}}, stored({"v": {"$gt": low}})):
        assert passes(filter_, carried(high))
        assert not passes(filter_, carried(low))
    assert passes({"v": {"$lt": high, "$lte": low}}, carried(low))
    assert not passes({"v": {"$gte": high}}, carried(low))
    assert not passes({"v": {"$gt": low}}, carried({"not": "ordered"}))


ORDER = {"order": {"total": 12, "customer": {"name": "Ada", "tags": ["new"]}}, "kind": "sale"}


@pytest.mark.parametrize(
    ("filter_", "expected"),
    [
        ({"order": {"total": {"$gt": 10}}}, True),
        ({"order": {"total": {"$gt": 12}}}, False),
        ({"order.total": {"$gt": Decimal("10")}}, True),
        ({"order": {"customer": {"name": {"$regex": "^A"}}}}, True),
        ({"order": {"customer": {"name": {"$exists": False}}}}, False),
        ({"order": {"customer": {"age": {"$exists": False}}}}, True),
        ({"order": {"customer.name": {"$in": ["Ada"]}}}, True),
        ({"order": {"total": 12}}, False),  # a value without operators is compared as a whole
        ({"order.customer.tags.0": "new"}, True),
        ({"$or": [{"kind": "gift"}, {"order.total": 12}]}, True),
        ({"$and": [{"kind": "sale"}, {"order.total": {"$lt": 12}}]}, False),
        ({"$not": {"kind": "gift"}}, True),
        ({"$not": {"kind": "sale"}, "order.total": 12}, False),
        ({"order.total": {"$not": {"$gt": 12}}}, True),
        ({"order.total": {"$or": [{"$gt": 100}, {"$lte": 12}]}}, True),
        ({"order.total": {"$and": [{"$gt": 10}, {"$ne": 12}]}}, False),
        ({"order": {"$or": [{"total": 1}, {"total": {"$gte": 12}}]}}, True),
    ],
)
def test_filters_nest_and_combine(filter_: Any, expected: bool) -> None:
    assert passes(filter_, ORDER) is expected
    assert passes(stored(filter_), ORDER) is expected


def test_results_are_filtered_like_payloads() -> None:
    assert result_passes({"total": {"$gt": 1}}, {"total": Decimal(2), "more": 1})
    assert result_passes({"$gt": Decimal(1)}, 2)
    assert result_passes((1, 2), (1, 2))
    assert result_passes({"$or": [{"$lt": 0}, {"$gt": 1}]}, 5)
    assert not result_passes({"$not": {"$gt": 1}}, 5)


@pytest.mark.parametrize(
    ("filter_", "told"),
    [
        ({"v": {"$bigger": 1}}, "operator '\\$bigger'"),
        ({"v": {"$gt": 1, "name": 2}}, "name beside operators"),
        ({"$gt": 1}, "in place of a name"),
        ({"$and": {"v": 1}}, "list of filters"),
        ({"$or": []}, "list of filters"),
        ({"$and": [{"v": {"$in": 3}}]}, "needs a list"),
        ({"v": {"$in": []}}, "empty list"),
        ({"v": {"$not": {"$regex": "("}}}, "not valid"),
        ({"v": {"inner": {"$what": 1}}}, "operator '\\$what'"),
        ({"v": {"$gt": {"$lt": 1}}}, "needs a value"),
        ({"v": float("nan")}, "cannot carry"),
        ({"v": {"$lt": float("inf")}}, "cannot carry"),
        ({"v": 1 + 2j}, "cannot carry"),
        ({"v": object()}, "cannot carry"),
        ({"v": {1: 2}}, "cannot carry"),
        ({1: 2}, "names are text"),
        ([("v", 1)], "dictionary or a function"),
    ],
)
def test_what_could_never_match_is_refused_when_it_is_defined(filter_: Any, told: str) -> None:
    with pytest.raises(TaskDefinitionError, match=told):
        on_event("code", filter_)


def test_operators_on_results_and_arguments_are_checked_too() -> None:
    with pytest.raises(TaskDefinitionError, match="operator"):
        on_result("m.f", {"$gross": 1})
    with pytest.raises(TaskDefinitionError, match="operator"):
        on_status("m.f", call_arguments={"x": {"$gross": 1}})


def test_equal_definitions_have_one_id_whatever_the_order_of_their_sets() -> None:
    one = on_event("code", {"v": {"$in": {"a", "b", "c", "d"}}}).build("m.f").stored()
    other = on_event("code", {"v": {"$in": {"d", "c", "b", "a"}}}).build("m.f").stored()
    assert one.trigger_id == other.trigger_id


@pytest.fixture
def app() -> Iterator[Pynenc]:
    app = Pynenc({"app_id": "filters", "logging_level": "critical"})
    yield app
    Pynenc.discard("filters")


def test_static_arguments_keep_their_types_where_the_code_is_missing(app: Pynenc) -> None:
    echo = app.task(plain_tasks.echo)
    definition = on_event("code", {"at": MOMENT}).with_args_static({"value": (MOMENT, Decimal("1.5"))})
    app.trigger.save_definitions([definition.build(echo.task_id).stored()])
    app.trigger.emit_event("code", {"at": MOMENT})
    Evaluating(app).work()
    (run,) = fired(app, echo)
    assert app.get_invocation(run.invocation_id).arguments.kwargs == {"value": (MOMENT, Decimal("1.5"))}


def test_a_stored_value_of_another_version_stops_no_other_trigger(app: Pynenc) -> None:
    echo = app.task(plain_tasks.echo)
    good = on_event("code").with_args_static({"value": 1}).build(echo.task_id).stored()
    bad = on_event("code", {"v": MOMENT}).with_args_static({"value": 2}).build(echo.task_id).stored()
    bad = msgspec.structs.replace(bad, conditions=bad.conditions.replace("datetime", "quaternion"))
    app.trigger.save_definitions([bad, good])
    app.trigger.emit_event("code", {"v": MOMENT})
    Evaluating(app).work()
    (run,) = fired(app, echo)
    assert app.get_invocation(run.invocation_id).arguments.kwargs == {"value": 1}
