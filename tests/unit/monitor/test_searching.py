"""The search of the monitor: conditions that are taken away, turned round and added by a click."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

import pytest
from asgi_client import Client

from pynenc import Pynenc
from pynenc.conf.config_monitor import ConfigMonitor
from pynenc.exceptions import SearchError
from pynenc.monitor.application import monitor_app
from pynenc.search.query_text import parse_query, quoted, words_of
from pynenc.testing import in_memory

app = Pynenc({"app_id": "searched"})


@app.task
def work() -> None:
    """Do nothing."""


@app.task
def other() -> None:
    """Do nothing."""


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with in_memory(app):
        yield


@pytest.fixture
def client() -> Client:
    return Client(monitor_app(app, ConfigMonitor(), auth="open"))


def _lines(page: str, label: str) -> list[str]:
    """Return the lines of search that links with a text lead to."""
    found = re.findall(rf'<a href="([^"]*)"[^>]*>{label}</a>', page)
    return [dict(parse_qsl(urlsplit(html.unescape(each)).query, True))["q"] for each in found]


def test_each_condition_can_be_taken_away_and_turned_round(client: Client) -> None:
    line = 'status:failed -queue:"a b" arg:"<b>" task:x.*'
    page = client.get("/invocations", params={"q": line}).text
    assert _lines(page, "\u00d7") == [
        '-queue:"a b" arg:"<b>" task:x.*',
        'status:failed arg:"<b>" task:x.*',
        'status:failed -queue:"a b" task:x.*',
        'status:failed -queue:"a b" arg:"<b>"',
    ]
    assert _lines(page, "not") == [
        '-status:failed -queue:"a b" arg:"<b>" task:x.*',
        'status:failed queue:"a b" arg:"<b>" task:x.*',
        'status:failed -queue:"a b" arg:"<b>" -task:x.*',
    ]
    assert "<b>" not in page


def test_what_was_found_can_be_narrowed(client: Client) -> None:
    work()
    work.options(queue="a b")()
    work.options(queue='say "so"')()
    other.options(delay=1000)()
    page = client.get("/invocations").text
    narrower = html.unescape(page.partition("Only ")[2].partition("</p>")[0])
    words = re.findall(r">([^<]+)</a>", narrower)
    assert words == ["task:test_searching.other", "task:test_searching.work", "queue:default", 'queue:"a b"']
    for line in _lines(page, "[^<]*queue:[^<]*"):
        found = client.get("/invocations", params={"q": line})
        assert found.status_code == 200
        assert found.text.count('data-name="Id"') in (1, 2)
    assert "Only <a" not in client.get("/invocations?q=queue:default task:*.work").text


@pytest.mark.parametrize("text", ["", "a", "a b", "a,b", "x:y", "ä", "-a", "a\tb", "*", "(", "\\", "'"])
def test_a_quoted_value_is_read_as_it_is(text: str) -> None:
    word = quoted(text)
    assert word is not None
    if not text:
        with pytest.raises(SearchError, match="a value is missing"):
            parse_query(f"queue:{word}", 0.0)
        return
    assert parse_query(f"queue:{word}", 0.0).queues == (text,)
    assert [each for _, each in words_of(f"a:1 queue:{word} b:2")] == ["a:1", f"queue:{word}", "b:2"]


def test_what_cannot_be_quoted_is_not() -> None:
    assert quoted('say "so"') is None


def test_help_tells_all_statuses_and_needs_no_store(client: Client) -> None:
    page = client.get("/help").text
    for word in ("registered", "pending_recovery", "accepted, queued", "the next theme", "Turn the keys off"):
        assert word in page
