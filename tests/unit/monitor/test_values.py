"""Values one at a time: on a page of their own, and as files, masked as everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from asgi_client import Client

from pynenc import Pynenc
from pynenc.actions.audit import entries
from pynenc.conf.config_monitor import ConfigMonitor
from pynenc.monitor.application import monitor_app
from pynenc.testing import in_memory, working

OPERATOR, VIEWER = "an operator's token", "a viewer's token of ours"
app = Pynenc({"app_id": "valued", "min_size_to_cache": 1_000_000})


@app.task
def echo(value: object, password: str) -> object:
    return value


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with in_memory(app):
        yield


def _client(token: str = OPERATOR) -> Client:
    settings = ConfigMonitor(monitor_token=OPERATOR, monitor_viewer_token=VIEWER)
    client = Client(monitor_app(app, settings))
    client.post("/login", data={"token": token})
    return client


def _called(value: object) -> str:
    with working(app):
        call = echo(value, "sesame-1")
        call.wait(60)
    return call.invocation_id


def test_a_long_value_is_shown_on_a_page_of_its_own() -> None:
    text = "begin " + "x" * 200_000 + " this is all"
    invocation_id = _called(text)
    page = _client().get(f"/invocations/{invocation_id}").text
    assert f'href="/invocations/{invocation_id}/value?argument=value"' in page
    assert f'href="/invocations/{invocation_id}/value"' in page
    assert "this is all" not in page
    for query in ("?argument=value", ""):
        whole = _client(VIEWER).get(f"/invocations/{invocation_id}/value{query}").text
        assert "this is all" in whole
        assert "As a file" not in whole
    short = _client().get(f"/invocations/{_called('short')}").text
    assert "/value" not in short


def test_what_is_kept_apart_is_fetched() -> None:
    text = "begin " + "y" * 1_500_000 + " end"
    invocation_id = _called(text)
    client = _client()
    page = client.get(f"/invocations/{invocation_id}").text
    assert "kept apart" in page
    shown = client.get(f"/invocations/{invocation_id}/value?argument=value").text
    assert "begin" in shown
    assert "(1,500,012 characters in all)" in shown
    file = client.get(f"/invocations/{invocation_id}/download?argument=value")
    assert file.headers["content-type"] == "application/octet-stream"
    assert file.headers["content-disposition"] == f'attachment; filename="value-{invocation_id[-8:]}.txt"'
    assert file.content == f'"{text}"'.encode()


def test_who_takes_a_value_is_written_down() -> None:
    invocation_id = _called({"some": "thing"})
    assert _client(VIEWER).get(f"/invocations/{invocation_id}/download").status_code == 403
    assert entries(app.components, 5) == []
    assert _client().get(f"/invocations/{invocation_id}/download?argument=value").status_code == 200
    (entry,) = entries(app.components, 5)
    assert (entry.action, entry.target, entry.reason) == ("download", invocation_id, "argument value")


def test_secrets_are_masked_here_too() -> None:
    value = {"deep": [{"api_key": "sesame-2"}], "note": "https://u:sesame-3@host/", "x": "z" * 100_000}
    invocation_id = _called(value)
    client = _client()
    for query in ("?argument=value", "?argument=password", ""):
        for place in ("value", "download"):
            answer = client.get(f"/invocations/{invocation_id}/{place}{query}")
            assert answer.status_code == 200
            assert "sesame" not in answer.text
    assert "••••" in client.get(f"/invocations/{invocation_id}/value?argument=password").text


@pytest.mark.parametrize("mode", ["hidden", "keys"])
def test_settings_that_hide_arguments_hold(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    invocation_id = _called("open")
    monkeypatch.setattr(app.conf, "argument_print_mode", mode)
    for place in ("value", "download"):
        answer = _client().get(f"/invocations/{invocation_id}/{place}?argument=value")
        assert "not shown: 'argument_print_mode'" in answer.text.replace("&#39;", "'")


@pytest.mark.parametrize("name", ["nothing", "<b>", "..", "x" * 3000, "\x00"])
def test_what_is_not_there_is_not_found(name: str) -> None:
    invocation_id = _called(1)
    client = _client()
    for place in (f"{invocation_id}/value", f"{invocation_id}/download", "0123/value", "0123/download"):
        answer = client.get(f"/invocations/{place}?argument={quote(name)}")
        assert (answer.status_code, "<b>" in answer.text) == (404, False)


def test_an_exception_is_no_value() -> None:
    call = echo("never ran", "")
    assert _client().get(f"/invocations/{call.invocation_id}/value").status_code == 404


def test_a_page_of_a_value_does_not_follow() -> None:
    invocation_id, client = _called("x"), _client()
    assert 'data-live="off"' in client.get(f"/invocations/{invocation_id}/value").text
    for page in (f"invocations/{invocation_id}/value", "timeline", "system"):
        assert client.get(f"/stream?page={page}").status_code == 404
