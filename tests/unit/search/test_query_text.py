"""Searches as text, and filters that make no sense."""

from __future__ import annotations

import re

import pytest

from pynenc.exceptions import SearchError
from pynenc.search.filters import Filter
from pynenc.search.query_text import QUERY_NAMES, parse_query

NOW = 1_800_000_000.0
_HEX = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("", Filter()),
        ("  status:failed,RETRY  ", Filter(statuses=("failed", "retry"))),
        ("status:failed status:retry", Filter(statuses=("failed", "retry"))),
        ('task:"shop, the.price",b.c', Filter(tasks=("shop, the.price", "b.c"))),
        ("since:2h until:10m", Filter(created_since=NOW - 7200, created_until=NOW - 600)),
        ("since:1.5d", Filter(created_since=NOW - 1.5 * 86400)),
        ("since:2027-01-15T08:00:00", Filter(created_since=NOW)),
        ("since:2027-01-15T09:00:00+01:00", Filter(created_since=NOW)),
        ("changed-since:30s changed-until:1w", Filter(changed_since=NOW - 30, changed_until=NOW - 604800)),
        ("tag:customer=42 tag:team=a", Filter(tags=("customer=42", "team=a"))),
        ('tag:note="two words"', Filter(tags=("note=two words",))),
        ("tag:url=a=b", Filter(tags=("url=a=b",))),
        ('arg:"order 17"', Filter(text="order 17")),
        ("arg:a:b", Filter(text="a:b")),
        ("is:workflow version:v1", Filter(is_workflow=True, code_version="v1")),
        ("-task:noise -queue:bulk", Filter(without=Filter(tasks=("noise",), queues=("bulk",)))),
        ("error:shop.errors.PriceError", Filter(error_types=("PriceError",))),
        ("retries:3", Filter(min_retries=3)),
        (_HEX, Filter(ids=(_HEX,))),
        (_HEX.upper(), Filter(ids=(_HEX,))),
        ("ab12cd", Filter(id_tail="ab12cd")),
        ("id:order-1,order-2", Filter(ids=("order-1", "order-2"))),
        (
            "parent:p workflow:w runner:r trigger:t",
            Filter(parent_id="p", workflow_id="w", runner_id="r", triggered_by="t"),
        ),
    ],
)
def test_a_line_is_a_filter(line: str, wanted: Filter) -> None:
    assert parse_query(line, NOW) == wanted


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "status:faild",
            "^'status:faild' at position 1 of the search .*: 'faild' is not a status; did you mean 'failed'",
        ),
        (
            "task:a stauts:failed",
            "at position 8 .* 'stauts' is not a name to search by; did you mean 'status'",
        ),
        ("order", re.escape('it is neither name:value nor an id; to look into arguments write arg:"order"')),
        ("ab1", "neither name:value nor an id"),
        ("task:", "a value is missing"),
        ("task:,", "a value is missing"),
        ('task:""', "a value is missing"),
        ('arg:"order', "the quotes at position 5 of the search are not closed"),
        ("since:yesterday", "'yesterday' is neither a span such as 30s"),
        ("since:99999999999999999999w", "is neither a span"),
        ("tag:customer", "a tag is searched for as tag:name=value"),
        ("tag:Customer=1", "the name 'Customer' of a tag"),
        ("is:task", "there is is:workflow only"),
        ("retries:-1", "'-1' is not a whole number"),
        ("retries:²", "is not a whole number"),
        ("parent:a parent:b", "given twice"),
        ("-trigger:t", "what a trigger has started cannot be left out"),
        ("-", "neither name:value nor an id"),
    ],
)
def test_a_word_that_cannot_be_understood_is_refused_at_its_place(line: str, message: str) -> None:
    with pytest.raises(SearchError, match=message):
        parse_query(line, NOW)


def test_every_name_is_known_to_the_manual() -> None:
    from pathlib import Path

    page = (Path(__file__).parents[3] / "docs/guide/search.md").read_text(encoding="utf-8")
    assert [name for name in QUERY_NAMES if f"`{name}:" not in page] == []


def test_filters_are_checked_where_they_are_made() -> None:
    assert Filter(statuses=["FAILED", "failed"]).statuses == ("failed",)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="'tasks' is the text 'shop.price'; give several texts"):
        Filter(tasks="shop.price")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'lost' is not a status"):
        Filter(statuses=("lost",))
    with pytest.raises(ValueError, match="created_since=nan is not a time"):
        Filter(created_since=float("nan"))
    with pytest.raises(ValueError, match="'without' of its own"):
        Filter(without=Filter(without=Filter()))
