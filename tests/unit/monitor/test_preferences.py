"""What visitors like is kept in cookies, and nothing else comes of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from asgi_client import Client
from starlette.applications import Starlette
from starlette.routing import Mount

from pynenc import Pynenc
from pynenc.conf.config_monitor import ConfigMonitor
from pynenc.monitor.application import monitor_app
from pynenc.testing import in_memory

VIEWER = "a viewer's token of ours"
app = Pynenc({"app_id": "liked"})


@app.task
def work(text: str, password: str = "sesame") -> str:
    return text


@app.task
def secret(password: str) -> None:
    """Take a secret."""


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with in_memory(app):
        yield


@pytest.fixture
def client() -> Client:
    return Client(monitor_app(app, ConfigMonitor(), auth="open"))


def _theme(client: Client, path: str = "/") -> str:
    found = re.search(r'<html lang="en" data-theme="([^"]*)" data-keys="([^"]*)"', client.get(path).text)
    assert found is not None
    return found[1]


def _columns(client: Client, path: str = "/invocations") -> list[str]:
    head = client.get(path).text.partition("<thead>")[2].partition("</thead>")[0]
    return re.findall(r"<th [^>]*>([^<]*)</th>", head)


def test_a_theme_is_chosen_for_all_pages(client: Client) -> None:
    assert _theme(client) == ""
    for theme in ("dark", "light", ""):
        answer = client.post("/preferences", data={"theme": theme, "next": "queues"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/queues")
        assert (_theme(client), _theme(client, "/queues"), _theme(client, "/no-such-page")) == (theme,) * 3


def test_columns_are_chosen(client: Client) -> None:
    work("some text")
    usual = ["Id", "Task", "Status", "Created", "Status since", "Queue", "Attempts", "Tags"]
    assert _columns(client) == usual
    fields = {
        "columns": "",
        "argument": "on",
        "queue": "on",
        "password": "on",
        "next": "invocations?q=task:*",
    }
    answer = client.post("/preferences", data=fields)
    assert answer.headers["location"] == "/invocations?q=task%3A%2A"
    assert _columns(client) == ["Id", "Task", "Status", "Queue", "Argument"]
    assert _columns(client, "/workflows?q=task:*") == ["Id", "Task", "Status", "Queue", "Argument"]
    page = client.get("/invocations").text
    assert "text=" in page
    assert "some text" in page
    assert "sesame" not in page
    client.post("/preferences", data={"columns": ""})
    assert _columns(client) == ["Id", "Task", "Status"]


def test_an_argument_that_is_masked_is_not_in_the_list(client: Client) -> None:
    secret("open sesame")
    client.post("/preferences", data={"columns": "", "argument": "on"})
    page = client.get("/invocations").text
    assert "password=" in page
    assert "open sesame" not in page


def test_keys_can_be_turned_off(client: Client) -> None:
    assert 'data-keys="on"' in client.get("/").text
    client.post("/preferences", data={"keys": "off"})
    assert 'data-keys="off"' in client.get("/").text


@pytest.mark.parametrize("value", ["x", '"><script>', "dark light", "%00", "\\", "a" * 4000])
@pytest.mark.parametrize("name", ["pynenc_theme", "pynenc_columns", "pynenc_keys"])
def test_odd_cookies_count_for_nothing(client: Client, name: str, value: str) -> None:
    work("x")
    page = client.get("/invocations", headers={"cookie": f"{name}={value}"})
    assert page.status_code == 200
    assert "<script>" not in page.text
    if name != "pynenc_columns":
        assert '<html lang="en" data-theme="" data-keys="on"' in page.text


def test_odd_forms_choose_nothing_and_lead_nowhere_else(client: Client) -> None:
    for following in ("//evil.example", "https://evil.example/", "\\\\evil", "nowhere", "x" * 5000):
        answer = client.post("/preferences", data={"theme": "neon", "keys": "maybe", "next": following})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert "set-cookie" not in answer.headers
    far = client.post("/preferences", data={"theme": "dark"}, headers={"sec-fetch-site": "cross-site"})
    assert far.status_code == 403
    assert client.post("/preferences", content=b"x" * 70_000).status_code == 413


def test_viewers_choose_and_others_see_nothing_of_it() -> None:
    application = monitor_app(app, ConfigMonitor(monitor_viewer_token=VIEWER))
    one, other = Client(application), Client(application)
    for client in (one, other):
        client.post("/login", data={"token": VIEWER})
    assert one.post("/preferences", data={"theme": "dark"}).status_code == 303
    assert (_theme(one), _theme(other)) == ("dark", "")


def test_cookies_are_bound_to_the_path_of_the_monitor() -> None:
    outer = Starlette(routes=[Mount("/ops", monitor_app(app, ConfigMonitor(), auth="host"))])
    answer = Client(outer).post("/ops/preferences", data={"theme": "dark", "next": "queues"})
    assert answer.headers["location"] == "/ops/queues"
    cookie = answer.headers["set-cookie"]
    assert "Path=/ops" in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
