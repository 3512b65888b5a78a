"""Telling of alerts: in the log, to hooks, and to web servers."""

from __future__ import annotations

import hashlib
import hmac
import json
import queue
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import IO
from urllib.error import HTTPError

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


class AlertTeller:
    """Tells of alerts; web servers are told in a thread, so that one that hangs holds nobody up.

    Args:
        components: Of the app whose alerts these are.
    """

    def __init__(self, components: Components) -> None:
        self._components = components
        self._waiting: queue.Queue[Callable[[], None] | None] = queue.Queue(_MOST_WAITING)
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def tell(self, alert: AlertData) -> None:
        """Log an alert, hand it to the hooks, and post it later to the web servers of the settings."""
        log(self._components.logger, alert)
        if self._components.hooks.alert.get_hookimpls():
            self._components.hooks.call("alert", alert=told(alert))
        body = json.dumps(content(self._components.app_id, alert)).encode()
        for address in self._components.conf.alert_webhooks:
            self._later(partial(self._post, address, body))

    def beat(self) -> None:
        """Request the address that notices silence, later."""
        address = self._components.conf.alert_heartbeat_url
        if address is not None:
            self._later(partial(self._get, address))

    def stop(self) -> None:
        """End; what waits is tried once more, for a few seconds at most."""
        self._stopped.set()
        if self._thread is not None:
            with suppress(queue.Full):
                self._waiting.put_nowait(None)
            self._thread.join(_TIMEOUT_S)

    def _later(self, act: Callable[[], None]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="pynenc-alerts", daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait(act)
        except queue.Full:
            self._components.logger.error("an alert is not posted: %d others still wait", _MOST_WAITING)

    def _run(self) -> None:
        while (act := self._waiting.get()) is not None:
            act()

    def _post(self, address: str, body: bytes) -> None:
        problem = post(self._components, address, body, self._stopped)
        if problem is not None:
            self._components.logger.error("an alert cannot be posted to %s: %s", address, problem)

    def _get(self, address: str) -> None:
        try:
            _request(urllib.request.Request(address))
        except Exception as error:  # noqa: BLE001 - the outside service notices it
            self._components.logger.warning("%s cannot be requested: %s", address, error_text(error))


def post(
    components: Components, address: str, body: bytes, stopped: threading.Event | None = None
) -> str | None:
    """Post a body to a web server, up to three times; return why it was not taken, None if it was.

    Redirections are not followed.

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
    with _opener.open(request, timeout=_TIMEOUT_S) as response:
        response.read(1024)
