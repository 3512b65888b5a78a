"""The door of the monitor: hosts, tokens and sessions, and the headers that bind browsers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Collection

from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "pynenc_monitor"
_LOCAL = frozenset(("localhost", "127.0.0.1", "[::1]", "::1"))
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?", re.ASCII)
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}
_OPENER = (b"cross-origin-opener-policy", b"same-origin")
_WRONG_A_MINUTE, _WRONG_IN_ALL = 5, 30
_MOST_ADDRESSES = 10_000
_LONGEST_ADDRESS = 8192


class Guard:
    """Refuses requests for other hosts, and sets the headers of all answers.

    Args:
        application: The application behind it.
        hosts: The names by which it may be asked for, besides those of this machine; `*` allows any.
    """

    def __init__(self, application: ASGIApp, hosts: Collection[str] = ()) -> None:
        self._application = application
        self._hosts = _LOCAL | {each.lower() for each in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return

        hosts = Request(scope).headers.getlist("host")
        name = self._name_of(hosts)
        is_trusted = scope["scheme"] == "https" or name in _LOCAL

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", []))
                headers += [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                if is_trusted:  # browsers ignore it elsewhere, and complain
                    headers.append(_OPENER)
                if not any(name == b"cache-control" for name, _ in headers):
                    headers.append((b"cache-control", b"no-store"))
                message = {**message, "headers": headers}
            await send(message)

        if len(scope["path"]) + len(scope["query_string"]) > _LONGEST_ADDRESS:
            await PlainTextResponse("the address is too long", 414)(scope, receive, guarded)
        elif not ({name, "*"} & self._hosts):
            text = "this host is not known here: name it in 'monitor_allowed_hosts'"
            await PlainTextResponse(text, 421)(scope, receive, guarded)
        else:
            await self._application(scope, receive, guarded)

    @staticmethod
    def _name_of(hosts: list[str]) -> str | None:
        """Return the name that a request asks for, None if it names none, or several."""
        found = _HOST.fullmatch(hosts[0].lower()) if len(hosts) == 1 else None
        return found[1] if found is not None else None


class Access:
    """Lets in who knows the token: as a bearer, or with the session of a log-in.

    Args:
        token: The token; None lets everybody in.
        secret: Signs sessions; None for a random one.
        session_s: How long a session lasts, in seconds.
        app_id: The app; its sessions open no other, even with the same secret.
        clock: Returns the time in seconds since the epoch.
    """

    def __init__(
        self,
        token: SecretStr | None,
        secret: SecretStr | None,
        session_s: float,
        app_id: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._token = token.get_secret_value().encode() if token is not None else None
        key = secret.get_secret_value().encode() if secret is not None else secrets.token_bytes(32)
        self._key = hashlib.sha256(b"%b\0%b\0%b" % (key, self._token or b"", app_id.encode())).digest()
        self._cookie = f"{COOKIE}_{hashlib.sha256(app_id.encode()).hexdigest()[:8]}"
        self._ended: OrderedDict[str, None] = OrderedDict()
        self.session_s = session_s
        self._clock = clock
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()
        self._all_wrong: deque[float] = deque(maxlen=_WRONG_IN_ALL)

    @property
    def is_open(self) -> bool:
        """True if everybody is let in."""
        return self._token is None

    def lets_in(self, request: Request) -> bool:
        """Return whether a request comes from somebody who may see the monitor."""
        if self._token is None:
            return True
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.tries(given.strip(), client_of(request))
        return self._is_session(request.cookies.get(self.cookie(request), ""))

    def cookie(self, request: Request) -> str:
        """Return the name of the cookie; monitors at several ports of a machine have one each."""
        return f"{self._cookie}_{request.url.port or 0}"

    def end(self, request: Request) -> None:
        """End the session of a request, as far as this process is concerned."""
        self._ended[request.cookies.get(self.cookie(request), "")] = None
        while len(self._ended) > _MOST_ADDRESSES:
            self._ended.popitem(last=False)

    def tries(self, given: str, address: str) -> bool:
        """Return whether a token is right; a wrong one is noted for the address."""
        assert self._token is not None
        if hmac.compare_digest(given.encode("utf-8", "replace"), self._token):
            return True
        now = self._clock()
        self._wrong.setdefault(address, deque(maxlen=_WRONG_A_MINUTE)).append(now)
        self._wrong.move_to_end(address)
        while len(self._wrong) > _MOST_ADDRESSES:
            self._wrong.popitem(last=False)
        self._all_wrong.append(now)
        return False

    def is_guessing(self, address: str) -> bool:
        """Return whether too many wrong tokens came of late, from an address or in all."""
        since = self._clock() - 60.0
        own = self._wrong.get(address)
        return (own is not None and len(own) == _WRONG_A_MINUTE and own[0] > since) or (
            len(self._all_wrong) == _WRONG_IN_ALL and self._all_wrong[0] > since
        )

    def session(self) -> str:
        """Return the value of the cookie of a new session."""
        content = json.dumps({"until": self._clock() + self.session_s, "id": secrets.token_hex(8)}).encode()
        packed = base64.urlsafe_b64encode(content).decode()
        return f"{packed}.{self._signature(packed)}"

    def _is_session(self, value: str) -> bool:
        packed, _, signature = value.partition(".")
        good = self._signature(packed)
        if not hmac.compare_digest(good.encode(), signature.encode("utf-8", "replace")):
            return False
        until: float = json.loads(base64.urlsafe_b64decode(packed))["until"]
        return self._clock() < until and value not in self._ended

    def _signature(self, packed: str) -> str:
        return hmac.new(self._key, packed.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def is_same_site(request: Request) -> bool:
    """Return whether a form was sent from a page of the monitor itself."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin")
    return origin is None or origin.partition("://")[2] == request.headers.get("host")


def client_of(request: Request) -> str:
    return request.client.host if request.client is not None else ""
