"""Searches of an app: what its calls leave to be found, pages, tags, and a synchronous app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from plain_tasks import add

from pynenc import Pynenc
from pynenc.exceptions import SearchError
from pynenc.lifecycle.retention import purge_ended
from pynenc.orchestrator.base_orchestrator import BaseOrchestrator, StateLookup
from pynenc.search.filters import Filter
from pynenc.search.page import Budget
from pynenc.testing import in_memory, working

app = Pynenc({"app_id": "searched"})


@app.task
def price(order: int) -> int:
    return order


@app.task(max_retries=1, retry_for=(KeyError,))
def fail(kind: str) -> None:
    raise {"key": KeyError, "value": ValueError}[kind](kind)


@app.task(tags={"team": "blue", "area": "shop"})
def tagged() -> None:
    return None


@app.workflow
def root() -> int:
    return leaf(1).result


@app.task
def leaf(number: int) -> int:
    return number


def _ids(line: str) -> list[str]:
    return [row.data.invocation_id for row in app.search(line, budget=Budget(None, None))]


def test_what_a_call_is_and_becomes_can_be_searched_for() -> None:
    with working(app):
        value, key, good = fail("value"), fail("key"), price(17)
        for each in (value, key):
            with pytest.raises((ValueError, KeyError)):
                _ = each.result
        assert good.result == 17
        flow = root()
        assert flow.result == 1
        assert _ids("error:ValueError") == [value.invocation_id]
        assert _ids("status:failed error:builtins.KeyError retries:1") == [key.invocation_id]
        task = fail.task_id.key
        assert set(_ids(f"status:failed task:{task}")) == {value.invocation_id, key.invocation_id}
        assert app.search(f"status:failed task:{task}").plan.startswith("by the failures of the task")
        assert _ids("arg:17") == [good.invocation_id]
        assert _ids("is:workflow status:success") == [flow.invocation_id]
        (child,) = [each for each in _ids(f"workflow:{flow.invocation_id}") if each != flow.invocation_id]
        assert _ids(f"parent:{flow.invocation_id}") == [child]
        assert _ids(child[-8:]) == [child]
        assert _ids(good.invocation_id) == [good.invocation_id]
        runner = value.history[-1].runner_id
        assert value.invocation_id in _ids(f"runner:{runner}")


def test_tags_of_the_task_and_of_the_call_are_found_together() -> None:
    with in_memory(app):
        plain, called = tagged(), tagged.options(tags={"customer": "42", "team": "red"})()
        assert _ids("tag:team=blue") == [plain.invocation_id]
        assert _ids("tag:team=red tag:area=shop") == [called.invocation_id]
        assert _ids('tag:customer="42"') == [called.invocation_id]
        called.cancel()
        plain.cancel()
        assert purge_ended(app.components, app.orchestrator.now() + 1) == 2
        assert app.state_backend.find_tagged("area=shop", None, None, 10) == []


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"Team": "x"}, "the name 'Team' of a tag"),
        ({"team": ""}, "the tag 'team' has the value ''"),
        ({"team": 7}, "the tag 'team' has the value 7, which is not a string"),
        ({"team": "x" * 101}, "not a string of 1 to 100 characters"),
        ({"team": "a\nb"}, "characters that cannot be shown"),
        ({"team": "\ud800"}, "characters that cannot be shown"),
        ({f"t{number}": "x" for number in range(9)}, "there are 9 tags, and 8 are allowed"),
        ({f"t{number}": "x" for number in range(7)}, "with those of the task there are more than 8"),
        ({"team": 'a"b'}, "has a double quote"),
        ("team=x", "is not a mapping"),
        (7, "is not a mapping"),
    ],
)
def test_tags_that_are_none_are_refused_at_the_call(tags: Any, message: str) -> None:
    with in_memory(app), pytest.raises(ValueError, match=message):
        tagged.options(tags=tags)


def test_tags_come_from_settings_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNENC__CONFIGTASK__TAGS", "team=green,stage=prod")
    other = Pynenc({"app_id": "tagged-by-environment"})
    assert other.task(add).conf.tags == {"team": "green", "stage": "prod"}
    Pynenc.discard("tagged-by-environment")


def test_a_cursor_keeps_the_time_from_which_spans_count() -> None:
    with in_memory(app):
        for number in range(5):
            price(number)
        first = app.search("since:1h", 2)
        second = app.search("since:1h", 2, first.cursor)
        assert len({row.data.invocation_id for row in [*first, *second]}) == 4
        with pytest.raises(ValueError, match="limit=0 is not a number from 1 to 10000"):
            app.search(limit=0)


def test_a_synchronous_app_is_searched_in_its_own_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    inline = Pynenc({"app_id": "searched-inline", "dev_mode_force_sync_tasks": True})
    task = inline.task(add)
    calls = [task(number, 1) for number in range(5)]
    pages = [inline.search("status:success", 2)]
    while pages[-1].cursor:
        pages.append(inline.search("status:success", 2, pages[-1].cursor))
    found = [row.data.invocation_id for page in pages for row in page]
    assert found == [each.invocation_id for each in reversed(calls)]
    assert inline.search_count("status:failed").count == 0
    assert [each.invocation_id for each in inline.find_invocations(task, limit=2)] == found[:2]
    assert inline.count() == 5
    with pytest.raises(SearchError):
        inline.search("status:failed", 2, pages[0].cursor)
    bad = inline.task(tags={"team": "blue"})(fail.func).options(tags={"customer": "42"})("key")
    for line in (
        "error:KeyError",
        "tag:team=blue",
        "tag:customer=42 status:failed",
        "arg:key",
        bad.invocation_id,
    ):
        assert [row.data.invocation_id for row in inline.search(line)] == [bad.invocation_id], line
    Pynenc.discard("searched-inline")


def test_an_orchestrator_with_the_narrow_interface_answers_every_lookup() -> None:
    with in_memory(app):
        for number in range(30):
            price(number).cancel()
        states = app.orchestrator
        for lookup in (
            StateLookup("status", "cancelled"),
            StateLookup("status", "cancelled", newest_first=False),
            StateLookup("failed_task", price.task_id.key),
            StateLookup("error_type", "ValueError"),
            StateLookup(
                "status", "cancelled", low=states.look_up(StateLookup("status", "cancelled"), 9)[-1].since
            ),
        ):
            quick = states.look_up(lookup, 20)
            assert BaseOrchestrator.look_up(states, lookup, 20) == quick
            assert BaseOrchestrator.count_many_states(states, [lookup], 20) == [len(quick)]


def test_a_filter_without_conditions_counts_everything() -> None:
    with in_memory(app):
        price(1)
        tagged()
        assert app.search_count().count == app.count() == 2
        assert app.search_count(Filter(tasks=(price.task_id.key,))).searched == 0
        given: Mapping[str, Any] = {"task": price, "statuses": ["registered"]}
        assert app.count(**given) == 1


@pytest.mark.parametrize(
    "line",
    [
        "arg:\ud800",
        "tag:a=\ud800",
        "retries:99999999999999999999999",
        "error:*",
        "tag:a=b,c",
        "since:\u0662h",
        "-",
    ],
)
def test_a_line_that_nothing_can_fit_is_refused(line: str) -> None:
    with in_memory(app), pytest.raises(SearchError):
        app.search(line)


def test_odd_filters_and_budgets_are_refused() -> None:
    for kind, fields in (
        (ValueError, {"tags": ("a=\ud800",)}),
        (TypeError, {"tags": (5,)}),
        (TypeError, {"tasks": (price,)}),
        (TypeError, {"text": 7}),
        (ValueError, {"min_retries": -1}),
    ):
        with pytest.raises(kind):
            Filter(**fields)  # type: ignore[arg-type]
    for rows, seconds in ((-1, 1.0), (1, -1.0), (float("nan"), 1.0), (1, float("inf"))):
        with pytest.raises(ValueError, match="is not a number of"):
            Budget(rows, seconds)  # type: ignore[arg-type]
    with in_memory(app), pytest.raises(TypeError, match="use 'app.search'"):
        app.find_invocations(Filter())  # type: ignore[arg-type]


def test_queues_are_found_by_patterns() -> None:
    with in_memory(app):
        mail = price.options(queue="mail.bulk")(1)
        price(2)
        assert _ids("queue:mail.*") == [mail.invocation_id]
        assert len(_ids("-queue:mail.*")) == 1
