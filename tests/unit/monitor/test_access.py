"""Who is let in, for which host, and how browsers must treat what they get."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest
from asgi_client import Client

from pynenc import Pynenc
from pynenc.conf.config_monitor import ConfigMonitor, Role
from pynenc.exceptions import ConfigError
from pynenc.monitor.access import COOKIE, Access
from pynenc.monitor.acting import ACTS
from pynenc.monitor.application import monitor_app
from pynenc.monitor.places import PAGES
from pynenc.testing import in_memory

TOKEN = "a token of enough length"
app = Pynenc({"app_id": "guarded"})


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with in_memory(app):
        yield


def _settings(**values: object) -> ConfigMonitor:
    return ConfigMonitor(monitor_token=TOKEN, **values)


def _client(**values: object) -> Client:
    return Client(monitor_app(app, _settings(**values)))


def test_without_a_token_it_must_be_said_who_looks_after_that() -> None:
    with pytest.raises(ConfigError, match="auth='host'"):
        monitor_app(app, ConfigMonitor())


@pytest.mark.parametrize(
    "token", ["", "short", "fifteen letters", "tökenötoken-123456", " sixteen letters ", "a\nb" * 9]
)
def test_tokens_that_do_not_do_are_refused(token: str) -> None:
    with pytest.raises(ConfigError, match="monitor_token"):
        app.settings_loader.__class__({"monitor": {"monitor_token": token}}, None).load(ConfigMonitor)


def test_strangers_are_led_to_the_log_in() -> None:
    client = _client()
    for path in [*(f"/{path}" for path, _ in PAGES), "/invocations/x"]:
        answer = client.get(path)
        assert answer.status_code == 303
        assert answer.headers["location"].partition("?")[0] == "/login"
    for path in ("/stream?page=", "/metrics"):
        assert client.get(path).status_code == 401
    assert client.get("/healthz").status_code == 200
    assert client.get("/static/monitor.css").status_code == 200


def test_a_bearer_is_let_in() -> None:
    client = _client()
    assert client.get("/", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert client.get("/", headers={"authorization": "Bearer other"}).status_code == 401
    assert client.get("/", headers={"authorization": TOKEN}).status_code == 401


def test_a_log_in_lasts_and_ends() -> None:
    client = _client()
    assert client.post("/login", data={"token": "wrong"}).status_code == 403
    answer = client.post("/login", data={"token": TOKEN})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert client.get("/").status_code == 200
    assert "Log out" in client.get("/").text
    assert client.post("/logout").status_code == 303
    assert client.get("/").status_code == 303


def test_a_session_over_tls_is_sent_over_tls_only() -> None:
    client = Client(monitor_app(app, _settings()), base_url="https://localhost")
    assert "secure" in client.post("/login", data={"token": TOKEN}).headers["set-cookie"].lower()


def _access(
    token: str = TOKEN, secret: str = "k" * 16, name: str = "", now: list[float] | None = None
) -> Access:
    settings = ConfigMonitor(monitor_token=token, monitor_secret=secret, monitor_session_hours=1.0)
    moment = now or [1000.0]
    return Access(settings, "token", name, clock=lambda: moment[0])


def test_sessions_of_others_and_old_ones_do_not_count() -> None:
    now = [1000.0]
    ours = _access(now=now)
    value = ours.session("anna", Role.VIEWER)
    found = ours._of_session(value, "10.0.0.1")
    assert found is not None
    assert (found.user, found.role, found.address) == ("anna", Role.VIEWER, "10.0.0.1")
    now[0] += 3601
    assert ours._of_session(value, "") is None
    now[0] -= 3601
    content = {"user": "anna", "role": "operator", "until": 1e12, "id": "x"}
    forged = base64.urlsafe_b64encode(json.dumps(content).encode()).decode()
    for bad in ("", ".", "x", f"{forged}.{value.partition('.')[2]}", f"{forged}.", value + "0", "\ud800.x"):
        assert ours._of_session(bad, "") is None
    assert _access(secret="o" * 16)._of_session(value, "") is None
    assert _access()._of_session(value, "") == found._replace(address="")


def test_guessing_is_slowed_down() -> None:
    application = monitor_app(app, _settings())
    client = Client(application)
    codes = [client.post("/login", data={"token": f"guess {number}"}).status_code for number in range(7)]
    assert codes == [403] * 5 + [429] * 2
    assert Client(application, address="10.0.0.2").post("/login", data={"token": "x"}).status_code == 403


def test_guessing_locks_nobody_out_who_knows_the_token() -> None:
    application = monitor_app(app, _settings())
    guesser = Client(application)
    for number in range(40):
        guesser.post("/login", data={"token": f"guess {number}"})
    assert Client(application).post("/login", data={"token": TOKEN}).status_code == 303
    assert Client(application).get("/", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_a_session_that_was_ended_is_over_wherever_its_cookie_is() -> None:
    application = monitor_app(app, _settings(monitor_secret="s" * 16))
    client, thief = Client(application), Client(application)
    client.post("/login", data={"token": TOKEN})
    thief.cookies = client.cookies
    assert thief.get("/").status_code == 200
    client.post("/logout")
    assert thief.get("/").status_code == 303


def test_another_token_or_app_ends_all_sessions() -> None:
    value = _access(name="one").session("token", Role.OPERATOR)
    assert _access(name="one")._of_session(value, "") is not None
    assert _access(TOKEN + "2", name="one")._of_session(value, "") is None
    assert _access(name="two")._of_session(value, "") is None


def test_monitors_at_two_ports_have_cookies_of_their_own() -> None:
    application = monitor_app(app, _settings())
    names = set()
    for port in (1, 2):
        client = Client(application, base_url=f"http://localhost:{port}")
        names.add(client.post("/login", data={"token": TOKEN}).headers["set-cookie"].partition("=")[0])
    assert len(names) == 2


def test_slashes_lead_to_no_other_host() -> None:
    client = Client(monitor_app(app, ConfigMonitor(), auth="host"))
    assert client.get("/queues/", headers={"host": "evil.test"}).status_code == 404


def test_many_addresses_that_guess_are_slowed_down_together() -> None:
    now = [1000.0]
    access = _access(now=now)
    for number in range(30):
        assert access.role_of_token("wrong", f"10.0.0.{number}") is None
    assert access.is_guessing("10.1.1.1")
    now[0] += 61
    assert not access.is_guessing("10.1.1.1")


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    ],
)
def test_forms_of_other_sites_are_refused(headers: dict[str, str]) -> None:
    client = _client()
    assert client.post("/login", data={"token": TOKEN}, headers=headers).status_code == 403
    assert client.post("/logout", headers=headers).status_code == 403
    assert not [name for name in client.cookies if name.startswith(COOKIE)]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost:80@evil", "", "[::2]"])
def test_other_hosts_are_refused(host: str) -> None:
    client = Client(monitor_app(app, ConfigMonitor(), auth="open"))
    assert client.get("/", headers={"host": host}).status_code == 421
    assert client.get("/healthz", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8484", "127.0.0.1:1", "[::1]:8484", "ops.example"])
def test_hosts_that_are_known_are_answered(host: str) -> None:
    settings = ConfigMonitor(monitor_allowed_hosts=("Ops.example",))
    assert Client(monitor_app(app, settings, auth="open")).get("/", headers={"host": host}).status_code == 200


def test_every_answer_has_the_headers_that_bind_browsers() -> None:
    client = Client(monitor_app(app, ConfigMonitor(), auth="open"))
    for path in ("/", "/login", "/nothing", "/invocations/x", "/static/monitor.js", "/metrics"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == ("max-age=3600" if "static" in path else "no-store")


def test_large_requests_are_cut() -> None:
    client = _client()
    assert client.get("/?" + "x" * 9000).status_code == 414
    assert client.post("/login", content=b"token=" + b"x" * 100_000).status_code == 403


def test_only_the_log_in_and_actions_take_forms() -> None:
    client = Client(monitor_app(app, ConfigMonitor(), auth="open"))
    forms = {f"/{act.path}" for act in ACTS} | {"/logs"}
    for path in [*(f"/{path}" for path, _ in PAGES), "/invocations/x", "/metrics", "/stream"]:
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            if method != "POST" or path not in forms:
                assert client.request(method, path).status_code == 405, (method, path)
