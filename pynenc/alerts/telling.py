"""Telling of alerts: in the log, to hooks, and to web servers."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import queue
import threading
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from typing import IO, TypeAlias
from urllib.error import HTTPError
from urllib.parse import urlsplit

from pynenc.alerts.watching import log
from pynenc.identifiers.texts import error_text
from pynenc.lifecycle.components import Components
from pynenc.plugins.middleware import Alert
from pynenc.state_backend.alert_records import AlertData, AlertState

SIGNATURE = "Pynenc-Signature"
"""The header that carries the time and the signature."""

_TRIES = 3
_TIMEOUT_S = 5.0
_PAUSE_S = 1.0
_MOST_WAITING = 100
_Act: TypeAlias = Callable[[threading.Event], None]


class AlertTeller:
    """Tells of alerts; each web server in a thread of its own, so that one that hangs holds nobody up.

    Args:
        components: Of the app whose alerts these are.
    """

    def __init__(self, components: Components) -> None:
        self._components = components
        self._lines: dict[str, _Line] = {}

    def tell(self, alert: AlertData) -> None:
        """Log an alert, hand it to the hooks, and post it later to the web servers of the settings."""
        log(self._components.logger, alert)
        if self._components.hooks.alert.get_hookimpls():
            self._components.hooks.call("alert", alert=told(alert))
        body = json.dumps(content(self._components.app_id, alert)).encode()
        for secret in self._components.conf.alert_webhooks:
            address = secret.get_secret_value()
            self._line(address).put(partial(self._post, address, body))

    def beat(self) -> None:
        """Request the address that notices silence, later."""
        secret = self._components.conf.alert_heartbeat_url
        if secret is not None:
            address = secret.get_secret_value()
            self._line(address).put(partial(self._get, address))

    def stop(self, patience_s: float = _TIMEOUT_S) -> None:
        """End, after what waits was posted; what is not within the patience is logged.

        Args:
            patience_s: How long to wait for all of it, in seconds.
        """
        until = time.monotonic() + patience_s
        for line in self._lines.values():
            line.close()
        for address, line in self._lines.items():
            left = line.join(until - time.monotonic())
            if left:
                named = shown_address(address)
                self._components.logger.error("%d alert(s) or signs were not sent to %s in time", left, named)

    def _line(self, address: str) -> _Line:
        if address not in self._lines:
            self._lines[address] = _Line(shown_address(address), self._components.logger)
        return self._lines[address]

    def _post(self, address: str, body: bytes, stopped: threading.Event) -> None:
        problem = post(self._components, address, body, stopped)
        if problem is not None:
            self._components.logger.error(
                "an alert cannot be posted to %s: %s", shown_address(address), problem
            )

    def _get(self, address: str, stopped: threading.Event) -> None:
        try:
            _request(urllib.request.Request(address))
        except Exception as error:  # noqa: BLE001 - the outside service notices it
            self._components.logger.warning(
                "%s cannot be requested: %s", shown_address(address), error_text(error)
            )


class _Line:
    """A web server, what waits to be sent to it, and the thread that sends it."""

    def __init__(self, address: str, logger: logging.Logger) -> None:
        self._address, self._logger = address, logger
        self._waiting: queue.Queue[_Act | None] = queue.Queue()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pynenc-alerts", daemon=True)
        self._thread.start()

    def put(self, act: _Act) -> None:
        """Do something later, unless too much waits."""
        if self._waiting.qsize() >= _MOST_WAITING:
            self._logger.error(
                "an alert is not posted to %s: %d others still wait", self._address, _MOST_WAITING
            )
        else:
            self._waiting.put(act)

    def close(self) -> None:
        """End after what waits."""
        self._waiting.put(None)

    def join(self, seconds: float) -> int:
        """Wait for the end; return how many acts were not done by then, and are given up."""
        self._thread.join(max(0.0, seconds))
        if not self._thread.is_alive():
            return 0
        self._stopped.set()
        return self._waiting.qsize()  # the end is one of them, as is what goes on instead

    def _run(self) -> None:
        while (act := self._waiting.get()) is not None:
            act(self._stopped)


def post(
    components: Components, address: str, body: bytes, stopped: threading.Event | None = None
) -> str | None:
    """Post a body to a web server, up to three times; return why it was not taken, None if it was.

    Redirections are not followed, and the answer is not read.

    Args:
        components: The components, whose settings sign it.
        address: The address.
        body: JSON text.
        stopped: Ends the pauses between tries, and with them the tries.
    """
    stopped, problem = stopped or threading.Event(), ""
    for number in range(_TRIES):
        if number and stopped.wait(_PAUSE_S * 2 ** (number - 1)):
            break
        headers = {"Content-Type": "application/json", "User-Agent": "pynenc"}
        secret = components.conf.alert_webhook_secret
        if secret is not None:
            headers[SIGNATURE] = signature(secret.get_secret_value(), int(time.time()), body)
        try:
            _request(urllib.request.Request(address, data=body, headers=headers, method="POST"))
        except Exception as error:  # noqa: BLE001 - whatever a server or the network does
            problem = f"{type(error).__name__}: {error_text(error)}"
        else:
            return None
    return problem


def shown_address(address: str) -> str:
    """Return an address without what may be a secret: its path and query."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}/..." if parts.path.strip("/") or parts.query else address


def signature(secret: str, moment: int, body: bytes) -> str:
    """Return the signature of a body: `t=<moment>,v1=<HMAC-SHA-256 of "<moment>.<body>", in hex>`.

    Args:
        secret: The secret that the receiver knows as well.
        moment: The time of sending, in seconds since the epoch.
        body: The body.
    """
    digest = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


def content(app_id: str, alert: AlertData) -> dict[str, object]:
    """Return an alert as it is posted."""
    return {
        "app": app_id,
        "rule": alert.rule,
        "subject": alert.subject,
        "state": alert.state.value,
        "text": alert.text,
        "value": alert.value,
        "since": alert.begun,
        "at": alert.told_at,
        "again": alert.state == AlertState.FIRING and alert.told_at > alert.at,
    }


def told(alert: AlertData) -> Alert:
    """Return an alert as hooks see it."""
    return Alert(
        alert.alert_id,
        alert.rule,
        alert.subject,
        alert.state == AlertState.FIRING,
        alert.text,
        alert.value,
        alert.begun,
        alert.told_at,
    )


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    """Follows no redirection."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: object,
        newurl: str,
    ) -> None:
        raise HTTPError(req.full_url, code, "a redirection, which is not followed", None, None)  # type: ignore[arg-type]


_opener = urllib.request.build_opener(_NoRedirection)


def _request(request: urllib.request.Request) -> None:
    _opener.open(request, timeout=_TIMEOUT_S).close()
