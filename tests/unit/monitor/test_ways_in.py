"""Visitors come in as users, through a proxy or through a host application, and strangers tire nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from asgi_client import Client

from pynenc import Pynenc
from pynenc.actions.audit import entries
from pynenc.conf.config_monitor import ConfigMonitor, Role
from pynenc.exceptions import ConfigError
from pynenc.monitor.access import Access, Visitor
from pynenc.monitor.application import monitor_app
from pynenc.monitor.passwords import hashed, is_password
from pynenc.testing import in_memory

OPERATOR = "an operator's token"
app = Pynenc({"app_id": "come_into"})


@app.task
def work(number: int = 0) -> int:
    return number


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with in_memory(app):
        work.options(delay=9999)()  # so that there is a form somewhere
        yield


def _application() -> Any:
    return monitor_app(app, ConfigMonitor(monitor_token=OPERATOR))


def test_strangers_write_little_into_the_trail() -> None:
    client = Client(_application())
    for number in range(50):
        client.post("/login", data={"token": f"guess {number}"})
    assert len(entries(app.components, 100)) == 20


def test_strangers_end_no_sessions_and_take_no_memory() -> None:
    application = _application()
    access = _access_of(application)
    client = Client(application)
    client.post("/login", data={"token": OPERATOR})
    thief = Client(application)
    thief.cookies = client.cookies
    name = next(iter(client.cookies))
    client.post("/logout")
    for number in range(50):
        Client(application).post("/logout", headers={"cookie": f"{name}=junk{number}"})
    assert len(access._ended) == 1
    assert thief.get("/").status_code == 303
    mark = access.form_mark(Visitor("x", Role.VIEWER, "", "x"))
    forged = {"cookie": f"{name}=form {int(time.time() // 3600)} x.{mark}"}
    assert Client(application).get("/", headers=forged).status_code == 303


def _access_of(application: Any) -> Access:
    (login,) = [each for each in application._application.routes if each.path == "/login"]
    access: Access = login.endpoint.__self__._access
    return access


def test_users_log_in_with_a_name_and_have_a_role() -> None:
    password = hashed("correct horse")
    assert is_password("correct horse", password)
    assert not is_password("correct horsf", password)
    users = (f"anna:operator:{password}", f"victor:viewer:{password}")
    application = monitor_app(app, ConfigMonitor(monitor_users=users))
    for name, code in (("anna", 404), ("victor", 403)):
        client = Client(application)
        assert client.post("/login", data={"user": name, "token": "wrong"}).status_code == 403
        assert client.post("/login", data={"user": name, "token": "correct horse"}).status_code == 303
        assert client.post("/invocations/x/cancel", data={"form": client.form_mark()}).status_code in (
            code,
            403,
        )
    client = Client(application)
    assert client.post("/login", data={"user": "nobody", "token": "correct horse"}).status_code == 403
    assert client.post("/login", data={"user": "", "token": "correct horse"}).status_code == 403
    failed = [each for each in entries(app.components, 100) if each.action == "log in"]
    assert {each.user for each in failed} == {"anna", "victor", "nobody", "token"}


@pytest.mark.parametrize(
    "user",
    ["anna", "anna:operator", "anna:admin:scrypt$16384$8$1$AAAA$AAAA", "anna:viewer:scrypt$3$8$1$AAAA$AAAA"],
)
def test_users_that_are_no_users_are_refused(user: str) -> None:
    with pytest.raises(ConfigError, match="monitor_users"):
        app.settings_loader.__class__({"monitor": {"monitor_users": [user]}}, None).load(ConfigMonitor)


def test_a_proxy_names_the_user_and_nobody_else_does() -> None:
    application = monitor_app(
        app,
        ConfigMonitor(
            monitor_proxy_header="X-Forwarded-User",
            monitor_trusted_proxies=("10.1.0.0/16",),
            monitor_operators=("anna",),
            monitor_token=OPERATOR,
        ),
    )
    proxy, stranger = Client(application, address="10.1.2.3"), Client(application, address="10.2.0.1")
    named = {"X-Forwarded-User": "anna", "X-Forwarded-For": "203.0.113.9, 10.1.9.9"}
    assert proxy.get("/", headers=named).status_code == 200
    assert stranger.get("/", headers=named).status_code == 403
    for bad in ({}, {"X-Forwarded-User": ""}, {"X-Forwarded-User": "a\tb"}, {"X-Forwarded-User": "x" * 300}):
        assert proxy.get("/", headers=bad).status_code == 403
    twice = httpx.Headers([("X-Forwarded-User", "anna"), ("x-forwarded-user", "mallory")])
    assert proxy.get("/", headers=twice).status_code == 403
    waiting = work().invocation_id
    page = proxy.get(f"/invocations/{waiting}", headers=named).text
    mark = re.search(r'name="form" value="([0-9a-f]+)"', page)
    assert mark is not None
    answer = proxy.post(f"/invocations/{waiting}/cancel", data={"form": mark[1]}, headers=named)
    assert answer.status_code == 303
    (entry,) = entries(app.components, 10)
    assert (entry.user, entry.address) == ("anna", "203.0.113.9")
    viewer = {"X-Forwarded-User": "victor"}
    assert "Cancel" not in proxy.get(f"/invocations/{waiting}", headers=viewer).text
    bearer = {"authorization": f"Bearer {OPERATOR}"}
    assert stranger.get("/", headers=bearer).status_code == 200


def test_a_proxy_header_without_proxies_is_refused() -> None:
    with pytest.raises(ConfigError, match="monitor_trusted_proxies"):
        monitor_app(app, ConfigMonitor(monitor_proxy_header="X-User"))
    with pytest.raises(ConfigError, match="monitor_trusted_proxies"):
        app.settings_loader.__class__({"monitor": {"monitor_trusted_proxies": ["x"]}}, None).load(
            ConfigMonitor
        )


def test_the_host_application_says_who_may_act() -> None:
    waiting = work().invocation_id
    roles = {"o": "operator", "v": "viewer"}

    def role(scope: Any) -> str:
        return roles.get(dict(scope["headers"]).get(b"x-who", b"").decode(), "")

    client = Client(monitor_app(app, ConfigMonitor(), auth="host", role=role))
    path = f"/invocations/{waiting}"
    assert client.get(path).status_code == 403
    assert "Cancel" not in client.get(path, headers={"x-who": "v"}).text
    assert "Cancel" in client.get(path, headers={"x-who": "o"}).text
    nobody_said = Client(monitor_app(app, ConfigMonitor(), auth="host"))
    assert "Cancel" not in nobody_said.get(path).text


def test_a_flood_from_one_address_is_slowed_down() -> None:
    application = _application()
    crawler, other = Client(application, address="10.9.9.9"), Client(application, address="10.9.9.8")
    codes = [crawler.get("/healthz").status_code for _ in range(300)]
    assert codes[0] == 200
    assert codes[-1] == 429
    assert other.get("/healthz").status_code == 200
    assert crawler.get("/static/monitor.css").status_code == 200


@pytest.mark.parametrize(
    ("asked", "following"),
    [
        ("/invocations?q=status%3Afailed", "/invocations?q=status%3Afailed"),
        ("/invocations/abc", "/invocations/abc"),
        ("/", "/"),
    ],
)
def test_a_log_in_leads_to_the_page_that_was_asked_for(asked: str, following: str) -> None:
    client = Client(_application())
    there = client.get(asked).headers["location"]
    page = client.get(there).text
    fields = dict(re.findall(r'name="(next)" value="([^"]*)"', page))
    answer = client.post("/login", data={"token": OPERATOR, **fields})
    assert answer.headers["location"] == following


@pytest.mark.parametrize(
    "odd", ["//evil.example", "https://evil.example", "..//x", "nothing", "a\r\nb: c", "x" * 5000]
)
def test_a_log_in_leads_nowhere_else(odd: str) -> None:
    answer = Client(_application()).post("/login", data={"token": OPERATOR, "next": odd})
    assert answer.headers["location"] == "/"
