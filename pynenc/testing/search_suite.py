"""The promises of a search: every filter finds what a look at everything finds, page by page."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import pytest

from pynenc.app import Pynenc
from pynenc.conf.tags import packed_tags, stored_tags
from pynenc.exceptions import SearchError
from pynenc.invocation.data import DECLARED, InvocationData
from pynenc.invocation.state import InvocationState, Removal
from pynenc.invocation.status import InvocationStatus
from pynenc.search.filters import Filter
from pynenc.search.page import Budget, SearchPage
from pynenc.testing.app_fixtures import AppFixtures
from pynenc.trigger.records import RunState, TriggerRun

_S = InvocationStatus
_TASKS = ("shop.price", "shop.ship", "mail.send")
_ERRORS = ("ValueError", "KeyError")
_T0 = 1_000_000.0


class _One(NamedTuple):
    data: InvocationData
    state: InvocationState
    runner_id: str | None
    trigger_id: str | None


def _made(number: int, draw: random.Random, made: Sequence[_One]) -> _One:
    invocation_id, at, task = f"{number:032x}", _T0 + number // 3, draw.choice(_TASKS)
    status, is_workflow = draw.choice(list(_S)), draw.random() < 0.2
    parent = draw.choice(made) if made and draw.random() < 0.4 else None
    workflow_id = invocation_id if parent is None or is_workflow else parent.data.workflow_id
    family = workflow_id if workflow_id != invocation_id else parent and parent.data.workflow_id
    error = draw.choice(_ERRORS) if status in (_S.FAILED, _S.RETRY) else None
    trigger_id = draw.choice(("t1", "t2")) if draw.random() < 0.2 else None
    tags = {"customer": str(draw.randrange(4)), "team": draw.choice("ab")} if draw.random() < 0.5 else {}
    data = InvocationData(
        invocation_id,
        task,
        msgspec.json.encode({"note": f"Order {draw.randrange(20)}"}).decode(),
        at,
        workflow_id,
        task,
        None,
        parent.data.invocation_id if parent else None,
        "client",
        triggered_by=f"run{number}" if trigger_id else None,
        family=family,
        workflow_kind=DECLARED if is_workflow else None,
        tags=packed_tags(tags),
    )
    changed_at = at + draw.random() * 50
    since = changed_at
    if status in (_S.RETRY, _S.REGISTERED) and draw.random() < 0.3:
        since = draw.choice((4_000_000_000.0, 253_402_300_800.0))
    runner_id = draw.choice(("r1", "r2", None))
    state = InvocationState(
        invocation_id,
        task,
        status,
        runner_id=runner_id if status.needs_owner else None,
        changed_at=changed_at,
        since=since,
        not_before=since if since != changed_at else 0.0,
        queue=draw.choice(("default", "bulk")),
        retries=draw.randrange(3),
        is_workflow=int(is_workflow),
        code_version="v1" if is_workflow and draw.random() < 0.5 else None,
        failed_task=task if status == _S.FAILED else None,
        error_type=error,
        workflow_status=status.value if is_workflow else None,
        is_tagged=int(bool(tags)),
    )
    return _One(data, state, runner_id, trigger_id)


def populate(app: Pynenc, count: int, draw: random.Random) -> list[_One]:
    """Store so many invocations of all kinds."""
    made: list[_One] = []
    for number in range(count):
        made.append(_made(number, draw, made))
    _store(app, made)
    return made


def _store(app: Pynenc, made: Sequence[_One]) -> None:
    app.state_backend.save_invocations([each.data for each in made])
    for runner_id in {each.runner_id for each in made}:
        app.orchestrator.register([each.state for each in made if each.runner_id == runner_id], runner_id)
    app.trigger.save_runs(
        [
            TriggerRun(
                each.data.triggered_by or "",
                each.trigger_id,
                each.data.task_id,
                RunState.FIRED,
                "",
                each.data.created_at,
                each.data.invocation_id,
                "[]",
            )
            for each in made
            if each.trigger_id is not None
        ]
    )


def _fits(one: _One, line: str) -> bool:
    """Return whether an invocation fits a line of plain words, looked at without an index."""
    data, state = one.data, one.state
    for word in line.split():
        name, _, text = word.removeprefix("-").partition(":")
        values = text.split(",")
        fits = {
            "status": state.status.value in values,
            "task": data.task_id in values or (text.endswith("*") and data.task_id.startswith(text[:-1])),
            "queue": state.queue in values,
            "workflow": text in (data.workflow_id, data.family),
            "is": bool(state.is_workflow),
            "parent": data.parent_invocation_id == text,
            "since": name == "since" and data.created_at >= _at(text),
            "until": name == "until" and data.created_at < _at(text),
            "changed-since": name == "changed-since" and state.changed_at >= _at(text),
            "changed-until": name == "changed-until" and state.changed_at < _at(text),
            "runner": one.runner_id == text,
            "error": state.error_type in [each.rpartition(".")[2] for each in values],
            "tag": "=" in text and stored_tags(data.tags).get(text.split("=")[0]) == text.split("=")[1],
            "arg": text.lower() in data.arguments.lower(),
            "trigger": one.trigger_id == text,
            "retries": text.isdecimal() and state.retries >= int(text),
            "version": state.code_version == text,
            "id": data.invocation_id in values,
        }[name]
        if fits == word.startswith("-"):
            return False
    return True


def _at(text: str) -> float:
    return _T0 + float(text.rpartition(":")[2].removesuffix("+00:00"))


_LINES = (
    "",
    "status:failed",
    "status:retry",
    "status:registered,retry,success",
    "status:failed task:shop.price",
    "status:pending is:workflow",
    "status:success,failed is:workflow",
    "is:workflow",
    "is:workflow version:v1",
    "task:shop.price,mail.send",
    "task:shop.*",
    "queue:bulk -task:mail.send",
    "error:ValueError",
    "error:my.module.KeyError -status:retry",
    "tag:customer=2",
    "tag:customer=2 tag:team=a status:failed,success",
    "-tag:team=a queue:default",
    "runner:r1",
    "runner:r2 status:running,success",
    "-runner:r1 task:shop.ship",
    "trigger:t1",
    "trigger:t2 -status:failed",
    "retries:2 -queue:bulk",
    "arg:17",
    "arg:order -task:shop.*",
)


_RELATIVES = ("workflow", "parent", "id")


class SearchSuite(AppFixtures):
    """Finding invocations by what is known of them."""

    def test_a_search_finds_what_a_look_at_everything_finds(self, app: Pynenc) -> None:
        draw = random.Random(1)
        made = populate(app, 120, draw)
        relatives = [
            f"{name}:{one.data.invocation_id}" for name in _RELATIVES for one in draw.sample(made, 5)
        ]
        for line in (*_LINES, *relatives):
            found = [row for page in _pages(app, line, draw) for row in page.rows]
            ids = [row.data.invocation_id for row in found]
            assert sorted(ids) == [each.data.invocation_id for each in made if _fits(each, line)], line
            assert app.search_count(line, Budget(None, None)).count == len(ids), line
            assert all(row.state.invocation_id == row.data.invocation_id for row in found)

    def test_times_bound_a_search(self, app: Pynenc) -> None:
        made = populate(app, 120, random.Random(3))
        spans: list[dict[str, Any]] = [
            {"created_since": _T0 + 10, "created_until": _T0 + 30},
            {"created_since": _T0 + 10, "statuses": ("success", "retry", "registered")},
            {"changed_since": _T0 + 40, "statuses": ("success", "registered")},
            {"changed_until": _T0 + 40, "tasks": ("shop.ship",)},
        ]
        for fields in spans:
            found = app.search(Filter(**fields), 1000, budget=Budget(None, None))
            wanted = [each for each in made if _in_time(each, fields)]
            assert sorted(row.data.invocation_id for row in found) == [
                each.data.invocation_id for each in wanted
            ]

    def test_the_newest_come_first_and_what_waits_for_its_time_last(self, app: Pynenc) -> None:
        populate(app, 120, random.Random(4))
        created = app.search("", 1000, budget=Budget(None, None))
        times = [row.data.created_at for row in created]
        assert (created.order, times) == ("created", sorted(times, reverse=True))
        page = app.search("status:retry,success", 1000, budget=Budget(None, None))
        later = [row.state.since for row in page if row.state.since >= 4_000_000_000]
        passed = [row.state.since for row in page if row.state.since < 4_000_000_000]
        assert page.order == "changed"
        assert [row.state.since for row in page] == sorted(passed, reverse=True) + sorted(later)

    def test_nothing_is_found_twice_or_missed_while_others_come_and_go(self, app: Pynenc) -> None:
        draw = random.Random(5)
        made = populate(app, 120, draw)
        there = {each.data.invocation_id: each for each in made}
        kept = set(there)
        found: list[str] = []
        number = 1000
        for page in _pages(app, "-queue:none", draw):
            found += [row.data.invocation_id for row in page.rows]
            gone = draw.choice(sorted(there))
            kept.discard(gone)
            app.orchestrator.change([Removal(there.pop(gone).state)], None)
            _store(app, [_made(number, draw, made)])
            number += 1
        assert len(found) == len(set(found))
        assert kept <= set(found)

    def test_a_search_stops_where_its_budget_ends_and_says_how_far_it_came(self, app: Pynenc) -> None:
        populate(app, 450, random.Random(6))
        page = app.search("arg:nowhere", 200, budget=Budget(1, None))
        assert (page.rows, page.searched, page.is_complete) == ([], 200, False)
        page = app.search("arg:nowhere", 200, page.cursor, budget=Budget(200, None))
        assert (page.rows, page.searched, page.is_complete) == ([], 400, False)
        page = app.search("arg:nowhere", 200, page.cursor, budget=Budget(None, 0.0))
        assert (page.rows, page.searched, page.is_complete) == ([], 450, True)
        counted = app.search_count("arg:order", Budget(200, None))
        assert (counted.count, counted.searched, counted.is_complete) == (200, 200, False)

    def test_a_cursor_of_another_search_is_refused(self, app: Pynenc) -> None:
        populate(app, 30, random.Random(7))
        cursor = app.search("task:shop.*", 2).cursor
        assert cursor is not None
        assert len(app.search("task:shop.*", 2, cursor)) == 2
        for line, given in (
            ("task:mail.*", cursor),
            ("task:shop.*", cursor[:-3]),
            ("", "\0\ud800"),
            ("", ""),
        ):
            with pytest.raises(SearchError):
                app.search(line, 2, given)


def _pages(app: Pynenc, line: str, draw: random.Random) -> Iterator[SearchPage]:
    cursor: str | None = None
    while True:
        page = app.search(line, draw.randrange(1, 40), cursor, Budget(draw.randrange(1, 300), None))
        yield page
        cursor = page.cursor
        if cursor is None:
            return


def _in_time(one: _One, fields: dict[str, Any]) -> bool:
    wanted = Filter(**fields)
    low, high = wanted.created_since, wanted.created_until
    since, until = wanted.changed_since, wanted.changed_until
    return (
        (low is None or one.data.created_at >= low)
        and (high is None or one.data.created_at < high)
        and (since is None or one.state.changed_at >= since)
        and (until is None or one.state.changed_at < until)
        and (not wanted.statuses or one.state.status.value in wanted.statuses)
        and (not wanted.tasks or one.data.task_id in wanted.tasks)
    )
