"""Alerts reach the log, hooks and web servers, whatever those do."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner

from pynenc import Pynenc, hookimpl
from pynenc.alerts import telling
from pynenc.alerts.telling import SIGNATURE, AlertTeller, post, signature
from pynenc.cli.main import cli
from pynenc.exceptions import ConfigError
from pynenc.state_backend.alert_records import AlertData, AlertState
from pynenc.testing import in_memory

FIRING = AlertData(
    "clock:h", "clock", "h", AlertState.FIRING, 3, 7.0, 5.0, told_at=7.0, value=2.0, text="late"
)


class Receiver:
    """A web server that keeps what is posted, and answers as it is told to."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[Any] = []
        self.paths: list[str] = []
        self.answers: list[int] = []
        self.arrived = threading.Semaphore(0)
        self.held = threading.Event()
        self.held.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.headers.append(self.headers)
                self._answer()

            def do_GET(self) -> None:
                self._answer()

            def _answer(self) -> None:
                receiver.paths.append(self.path)
                receiver.arrived.release()
                receiver.held.wait(30)
                code = receiver.answers.pop(0) if receiver.answers else 204
                self.send_response(code)
                if code == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.held.set()
    server.server.shutdown()
    server.server.server_close()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "_PAUSE_S", 0.0)


@pytest.fixture
def make(receiver: Receiver) -> Callable[..., Pynenc]:
    def made(**settings: Any) -> Pynenc:
        return Pynenc({"app_id": "telling", "alert_webhooks": [receiver.url], **settings})

    return made


def test_an_alert_is_posted_and_signed(receiver: Receiver, make: Callable[..., Pynenc]) -> None:
    app = make(alert_webhook_secret="secret")
    teller = AlertTeller(app.components)
    teller.tell(FIRING)
    assert receiver.arrived.acquire(timeout=30)
    teller.stop()
    assert json.loads(receiver.bodies[0]) == {
        "app": "telling",
        "rule": "clock",
        "subject": "h",
        "state": "firing",
        "text": "late",
        "value": 2.0,
        "since": 5.0,
        "at": 7.0,
        "again": False,
    }
    moment, digest = receiver.headers[0][SIGNATURE].split(",")
    signed = f"{moment.removeprefix('t=')}.".encode() + receiver.bodies[0]
    assert digest == "v1=" + hmac.new(b"secret", signed, hashlib.sha256).hexdigest()
    assert signature("s", 1, b"x") == "t=1,v1=" + hmac.new(b"s", b"1.x", hashlib.sha256).hexdigest()


def test_without_a_secret_nothing_is_signed(receiver: Receiver, make: Callable[..., Pynenc]) -> None:
    assert post(make().components, receiver.url, b"{}") is None
    assert receiver.headers[0][SIGNATURE] is None


def test_it_is_tried_three_times(receiver: Receiver, make: Callable[..., Pynenc]) -> None:
    receiver.answers = [500, 503]
    assert post(make().components, receiver.url, b"{}") is None
    receiver.answers = [500, 500, 500]
    problem = post(make().components, receiver.url, b"{}")
    assert problem is not None
    assert "500" in problem
    assert len(receiver.bodies) == 6


def test_redirections_are_not_followed(receiver: Receiver, make: Callable[..., Pynenc]) -> None:
    receiver.answers = [302, 302, 302]
    problem = post(make().components, receiver.url, b"{}")
    assert problem is not None
    assert "not followed" in problem
    assert set(receiver.paths) == {"/hook"}


def test_a_server_that_hangs_holds_nobody_up(
    receiver: Receiver, make: Callable[..., Pynenc], caplog: pytest.LogCaptureFixture
) -> None:
    receiver.held.clear()
    teller = AlertTeller(make().components)
    for _ in range(150):
        teller.tell(FIRING)  # returns at once
    assert receiver.arrived.acquire(timeout=30)
    assert "/...: 100 others still wait" in caplog.text
    receiver.held.set()
    teller.stop()


def test_a_server_that_is_not_there_is_logged(
    make: Callable[..., Pynenc], caplog: pytest.LogCaptureFixture
) -> None:
    teller = AlertTeller(make(alert_webhooks=["http://127.0.0.1:9/x"]).components)
    teller.tell(FIRING)
    teller.stop()
    assert "an alert cannot be posted to http://127.0.0.1:9/...: URLError" in caplog.text


def test_alerts_are_logged_and_told_to_hooks(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Any] = []

    class Listens:
        @hookimpl
        def pynenc_alert(self, app_id: str, alert: Any) -> None:
            seen.append((app_id, alert.alert_id, alert.is_firing))
            raise ValueError("of the user's")

    app = Pynenc({"app_id": "hooked"})
    app.use(Listens())
    teller = AlertTeller(app.components)
    with in_memory(app), caplog.at_level(logging.INFO):
        teller.tell(FIRING)
        teller.tell(AlertData("a:b", "a", "b", AlertState.OVER, 1, 1.0, 1.0, text="was wrong"))
    assert seen == [("hooked", "clock:h", True), ("hooked", "a:b", False)]
    levels = {each.getMessage(): each.levelno for each in caplog.records}
    assert levels["alert clock:h: late"] == logging.WARNING
    assert levels["alert a:b is over; it was: was wrong"] == logging.INFO


def test_stopping_sends_what_waits_and_tells_of_what_it_cannot(
    receiver: Receiver, make: Callable[..., Pynenc], caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answers = [503]
    teller = AlertTeller(make().components)
    for _ in range(3):
        teller.tell(FIRING)
    teller.stop(30)
    assert len(receiver.bodies) == 4
    assert "in time" not in caplog.text
    receiver.held.clear()
    receiver.arrived = threading.Semaphore(0)
    hanging = AlertTeller(make().components)
    for _ in range(3):
        hanging.tell(FIRING)
    assert receiver.arrived.acquire(timeout=30)
    hanging.stop(0)
    assert "3 alert(s) or signs were not sent to" in caplog.text


def test_one_that_hangs_does_not_hold_up_another(receiver: Receiver, make: Callable[..., Pynenc]) -> None:
    other = Receiver()
    receiver.held.clear()
    teller = AlertTeller(make(alert_webhooks=[receiver.url, other.url]).components)
    for _ in range(3):
        teller.tell(FIRING)
    for _ in range(3):
        assert other.arrived.acquire(timeout=30)
    receiver.held.set()
    teller.stop(30)
    other.server.shutdown()
    other.server.server_close()


def test_an_outside_service_is_told_of_life(receiver: Receiver, make: Callable[..., Pynenc]) -> None:
    teller = AlertTeller(make(alert_heartbeat_url=receiver.url + "/alive").components)
    teller.beat()
    assert receiver.arrived.acquire(timeout=30)
    teller.stop()
    assert receiver.paths == ["/hook/alive"]


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd",
        "ftp://x/y",
        "x",
        "http://",
        "http://a b",
        "http://h:99999999/x",
        "http://h/ü",
        "",
    ],
)
def test_only_web_servers_are_told(address: str) -> None:
    for settings in ({"alert_webhooks": [address]}, {"alert_heartbeat_url": address}):
        with pytest.raises(ConfigError, match="http://"):
            _ = Pynenc({"app_id": "addresses", **settings}).conf


def test_addresses_and_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for secret in ("http://user:sesame@h/", "ftp://h/sesame"):
        with pytest.raises(ConfigError) as caught:
            _ = Pynenc({"app_id": "secrets", "alert_webhooks": [secret]}).conf
        assert "sesame" not in str(caught.value)
    with pytest.raises(ConfigError, match="alert_webhook_secret"):
        _ = Pynenc({"app_id": "secrets", "alert_webhook_secret": ""}).conf
    settings = {"alert_webhooks": ["https://h/sesame"], "alert_heartbeat_url": "https://h/sesame"}
    module = ModuleType("secretive")
    monkeypatch.setattr(module, "app", Pynenc({"app_id": "secrets", **settings}), raising=False)
    monkeypatch.setitem(sys.modules, "secretive", module)
    for words in (["config", "show"], ["config", "show", "--json"]):
        shown = CliRunner().invoke(cli, ["--app", "secretive.app", *words])
        assert shown.exit_code == 0
        assert "sesame" not in shown.output


def test_the_command_line(
    receiver: Receiver, make: Callable[..., Pynenc], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make(alert_rules={"no_runner": {"for": 0}})
    module = ModuleType("alerting")
    monkeypatch.setattr(module, "app", app, raising=False)
    monkeypatch.setitem(sys.modules, "alerting", module)

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli, ["--app", "alerting.app", "alerts", *words])
        return done.exit_code, done.output

    with in_memory(app):
        assert run("list") == (0, "no alert (12 rules)\n")
        assert run("check") == (0, "no alert fires (12 rules)\n")
        app.task(_nothing)()
        code, output = run("check")
        assert code == 1
        assert "no_runner:app" in output
        assert receiver.arrived.acquire(timeout=30)
        assert json.loads(receiver.bodies[0])["rule"] == "no_runner"
        listed = {each["alert_id"] for each in json.loads(run("list", "--json")[1])}
        assert listed == {"no_runner:app", "no_consumer:default"}
        assert run("silence", "no_runner:app", "--for", "2h")[0] == 0
        assert run("silence", "no_runner:app", "--for", "8d")[0] == 2
        assert run("silence", "nothing")[0] == 1
        assert run("silence", "no_rule:mail")[0] == 1
        assert run("silence", "queue_age:planned")[0] == 0
        assert run("test") == (0, receiver.url.replace("/hook", "/...: taken\n"))
        receiver.answers = [500] * 3
        assert run("test")[0] == 1


def _nothing() -> None:
    pass
