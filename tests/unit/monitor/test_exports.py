"""Lists as files: bounded in memory, masked, without formulas, and in the trail."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from asgi_client import Client

from pynenc import Pynenc
from pynenc.actions.audit import entries
from pynenc.conf.config_monitor import ConfigMonitor
from pynenc.exceptions import StorageUnavailableError
from pynenc.monitor import exports
from pynenc.monitor.application import monitor_app
from pynenc.testing import in_memory

app = Pynenc({"app_id": "exported"})


@app.task
def work(number: int = 0, password: str = "sesame") -> int:
    return number


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with in_memory(app):
        yield


@pytest.fixture
def client() -> Client:
    return Client(monitor_app(app, ConfigMonitor(), auth="open"))


@pytest.mark.parametrize("number", [0, 3, 1203])
def test_all_that_is_found_is_in_the_file(client: Client, number: int) -> None:
    ids = [work(at).invocation_id for at in range(number)]
    answer = client.get("/export?q=status:registered&format=csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="invocations.csv"'
    head, *rows = csv.reader(io.StringIO(answer.text))
    assert head[:3] == ["id", "task", "status"]
    assert sorted(row[0] for row in rows) == sorted(ids)
    lines = client.get("/export?q=status:registered&format=jsonl").text.splitlines()
    assert sorted(json.loads(line)["id"] for line in lines) == sorted(ids)
    assert [each.action for each in entries(app.components, 9)] == ["export"] * 2
    assert "sesame" not in answer.text


def test_texts_are_no_formulas(client: Client) -> None:
    work.options(queue="=cmd|' /C calc'!A0", tags={"x": "@sum(1)"})()
    (row,) = list(csv.reader(io.StringIO(client.get("/export").text)))[1:]
    assert row[7] == "'=cmd|' /C calc'!A0"
    assert row[8] == "x=@sum(1)"


def test_a_file_is_bounded_and_says_so(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "MOST_ROWS", 10)
    monkeypatch.setattr(exports, "_PAGE", 5)
    for at in range(20):
        work(at)
    lines = client.get("/export?format=jsonl").text.splitlines()
    assert json.loads(lines[-1]) == {"note": "cut after 10 rows: there are more"}


def test_a_store_that_goes_away_in_between_is_told(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "_PAGE", 5)
    for at in range(20):
        work(at)
    read, calls = app.orchestrator.read_states, iter(range(100))

    def breaks(*given: Any) -> Any:
        if next(calls) > 1:
            raise StorageUnavailableError("away, at mongodb://user:sesame@host")
        return read(*given)

    monkeypatch.setattr(app.orchestrator, "read_states", breaks)
    *rows, last = csv.reader(io.StringIO(client.get("/export").text))
    assert len(rows) == 1 + 5
    assert last[0].startswith("broken off: The store does not answer")
    assert "sesame" not in last[0]


@pytest.mark.parametrize("query", ["q=status:odd", "format=xls", "q=-arg:x"])
def test_what_cannot_be_is_refused(client: Client, query: str) -> None:
    assert client.get(f"/export?{query}").status_code == 400
    assert entries(app.components, 9) == []


def test_strangers_get_no_file() -> None:
    stranger = Client(monitor_app(app, ConfigMonitor(monitor_token="a token of enough length")))
    assert stranger.get("/export").status_code == 303
