"""The door of the monitor: hosts, proxies, floods, and the headers that bind browsers."""

from __future__ import annotations

import ipaddress
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PROXY = "pynenc.proxy"
"""The key of a scope under which it is noted that a trusted proxy has sent the request."""

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
_A_SECOND, _BURST = 20.0, 100.0
_MOST_ADDRESSES = 10_000
_LONGEST_ADDRESS = 8192


class Guard:
    """Refuses requests for other hosts and floods, and sets the headers of all answers.

    Args:
        application: The application behind it.
        hosts: The names by which it may be asked for, besides those of this machine; `*` allows any.
        proxies: The addresses and networks of proxies that are believed.
        clock: Returns seconds that only rise.
        note: Is told the code of each answer, and after how many seconds it began.
    """

    def __init__(
        self,
        application: ASGIApp,
        hosts: Collection[str] = (),
        proxies: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
        note: Callable[[int, float], None] = lambda code, seconds: None,
    ) -> None:
        self._application = application
        self._hosts = _LOCAL | {each.lower() for each in hosts}
        self._proxies = [ipaddress.ip_network(each, strict=False) for each in proxies]
        self._clock, self._note = clock, note
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        scope = self._forwarded(scope)
        hosts = Request(scope).headers.getlist("host")
        name = self._name_of(hosts)
        is_trusted, began = scope["scheme"] == "https" or name in _LOCAL, self._clock()

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", []))
                headers += [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                if is_trusted:  # browsers ignore it elsewhere, and complain
                    headers.append(_OPENER)
                if not any(name == b"cache-control" for name, _ in headers):
                    headers.append((b"cache-control", b"no-store"))
                message = {**message, "headers": headers}
                self._note(message["status"], self._clock() - began)
            await send(message)

        if len(scope["path"]) + len(scope["query_string"]) > _LONGEST_ADDRESS:
            await PlainTextResponse("the address is too long", 414)(scope, receive, guarded)
        elif not ({name, "*"} & self._hosts):
            text = "this host is not known here: name it in 'monitor_allowed_hosts'"
            await PlainTextResponse(text, 421)(scope, receive, guarded)
        elif self._is_flood(scope):
            wait = {"retry-after": "2"}
            await PlainTextResponse("too many requests", 429, wait)(scope, receive, guarded)
        else:
            await self._application(scope, receive, guarded)

    def _forwarded(self, scope: Scope) -> Scope:
        """Return a request as the client has sent it, if a trusted proxy has handed it on."""
        peer = _address(scope)
        if not self._is_proxy(peer):
            return {**scope, PROXY: False}
        headers = Request(scope).headers
        given = ",".join(headers.getlist("x-forwarded-for")).split(",")
        chain = [each.strip() for each in given if each.strip()]
        client = next((each for each in reversed(chain) if not self._is_proxy(each)), peer)
        protocol = headers.get("x-forwarded-proto", "").rpartition(",")[2].strip().lower()
        scheme = protocol if protocol in ("http", "https") else scope["scheme"]
        return {**scope, PROXY: True, "client": (client[:100], 0), "scheme": scheme}

    def _is_proxy(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._proxies)

    def _is_flood(self, scope: Scope) -> bool:
        """Return whether an address asks for more than 20 pages a second for longer than a moment."""
        address = _address(scope)
        if address in ("", "127.0.0.1", "::1") or "/static/" in scope["path"]:
            return False
        now = self._clock()
        left, since = self._left.pop(address, (_BURST, now))
        left = min(_BURST, left + (now - since) * _A_SECOND) - 1.0
        self._left[address] = max(left, 0.0), now
        while len(self._left) > _MOST_ADDRESSES:
            self._left.popitem(last=False)
        return left < 0

    @staticmethod
    def _name_of(hosts: list[str]) -> str | None:
        """Return the name that a request asks for, None if it names none, or several."""
        found = _HOST.fullmatch(hosts[0].lower()) if len(hosts) == 1 else None
        return found[1] if found is not None else None


def is_same_site(request: Request) -> bool:
    """Return whether a form was sent from a page of the monitor itself."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin")
    return origin is None or origin.partition("://")[2] == request.headers.get("host")


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""
