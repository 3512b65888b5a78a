"""Access to the monitor, to look and to act: tokens, users, sessions, proxies, and the marks of forms."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from starlette.requests import Request

from pynenc.actions.audit import Actor
from pynenc.conf.config_monitor import ConfigMonitor, Role
from pynenc.monitor.passwords import NOBODY, is_password
from pynenc.monitor.security import PROXY

Auth: TypeAlias = Literal["token", "host", "open"]
RoleOf: TypeAlias = Callable[[Mapping[str, Any]], str]
"""Returns the role of a request, given its ASGI scope: `viewer`, `operator`, or something else for nobody."""

COOKIE = "pynenc_monitor"
_WRONG_A_MINUTE, _WRONG_IN_ALL = 5, 30
_MOST_ADDRESSES = 10_000
_HOUR_S, _HOURS = 3600.0, 12
_LONGEST_NAME = 200


class Visitor(NamedTuple):
    """Somebody who was let in.

    Attributes:
        user: The name.
        role: The role.
        address: From where.
        mark: The session, or the name where there is none; forms are bound to it.
        is_program: Whether it is a program that sends a token with each request, so that no form of another
            site can act in its name.
    """

    user: str
    role: Role
    address: str
    mark: str
    is_program: bool = False

    @property
    def actor(self) -> Actor:
        """The visitor, as the trail names who acts."""
        return Actor(self.user, self.role, self.address)

    @property
    def can_act(self) -> bool:
        """True if the visitor may act."""
        return self.role == Role.OPERATOR


class Access:
    """Lets in who may see the monitor.

    Args:
        settings: The settings.
        auth: Who looks after that: `token` for the monitor itself, `host` for the application in which it is
            mounted, `open` for nobody.
        app_id: The app; its sessions open no other, even with the same secret.
        role_of: With `host`: returns the role of a request; by default everybody may look and nobody act.
        clock: Returns the time in seconds since the epoch.
    """

    def __init__(
        self,
        settings: ConfigMonitor,
        auth: Auth,
        app_id: str = "",
        role_of: RoleOf | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings, self._auth, self._role_of, self._clock = settings, auth, role_of, clock
        self._tokens = {
            role: token.get_secret_value().encode()
            for role, token in (
                (Role.OPERATOR, settings.monitor_token),
                (Role.VIEWER, settings.monitor_viewer_token),
            )
            if token is not None
        }
        self._users = settings.users
        secret = settings.monitor_secret
        key = secret.get_secret_value().encode() if secret is not None else secrets.token_bytes(32)
        parts = [key, *self._tokens.values(), repr(sorted(self._users.items())).encode(), app_id.encode()]
        self._key = hashlib.sha256(b"\0".join(parts)).digest()
        self._cookie = f"{COOKIE}_{hashlib.sha256(app_id.encode()).hexdigest()[:8]}"
        self._ended: dict[str, float] = {}
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()
        self._all_wrong: deque[float] = deque(maxlen=_WRONG_IN_ALL)

    @property
    def is_open(self) -> bool:
        """True if there is nothing to log in with."""
        return self._auth != "token"

    @property
    def has_users(self) -> bool:
        """True if a log-in asks for a name, too."""
        return bool(self._users)

    @property
    def session_s(self) -> float:
        """The time that a session lasts, in seconds."""
        return self._settings.monitor_session_hours * _HOUR_S

    def visitor(self, request: Request) -> Visitor | None:
        """Return who sends a request, None if it is nobody who may see the monitor."""
        found = self._found(request)
        if found is not None and self._settings.monitor_read_only:
            return found._replace(role=Role.VIEWER)
        return found

    def _found(self, request: Request) -> Visitor | None:
        address = address_of(request)
        if self._auth == "open":
            return Visitor("somebody", Role.OPERATOR, address, "open")
        if self._auth == "host":
            return self._of_host(request, address)
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            role = self.role_of_token(given.strip(), address)
            return None if role is None else Visitor("token", role, address, "token", is_program=True)
        named = self._of_proxy(request, address)
        return named or self._of_session(request.cookies.get(self.cookie(request), ""), address)

    def _of_host(self, request: Request, address: str) -> Visitor | None:
        if self._role_of is None:
            return Visitor("host", Role.VIEWER, address, "host")
        role = self._role_of(request.scope)
        if role not in tuple(Role):
            return None
        user = request.scope.get("user")
        name = str(getattr(user, "display_name", "") or "host")[:_LONGEST_NAME]
        return Visitor(name, Role(role), address, f"host {name}")

    def _of_proxy(self, request: Request, address: str) -> Visitor | None:
        """Return whom a trusted proxy names; a header that comes from anywhere else counts for nothing."""
        header = self._settings.monitor_proxy_header
        if header is None or not request.scope.get(PROXY):
            return None
        names = request.headers.getlist(header)
        if len(names) != 1 or not 0 < len(names[0].strip()) <= _LONGEST_NAME or not names[0].isprintable():
            return None
        name = names[0].strip()
        role = Role.OPERATOR if name in self._settings.monitor_operators else Role.VIEWER
        return Visitor(name, role, address, f"proxy {name}")

    def cookie(self, request: Request) -> str:
        """Return the name of the cookie; monitors at several ports of a machine have one each."""
        return f"{self._cookie}_{request.url.port or 0}"

    # --- log-in -----------------------------------------------------------------------

    def role_of_token(self, given: str, address: str) -> Role | None:
        """Return the role of a token; one that is wrong is noted for the address."""
        found = [
            role
            for role, token in self._tokens.items()
            if hmac.compare_digest(given.encode("utf-8", "replace"), token)
        ]
        if not found:
            self._note_wrong(address)
            return None
        return found[0]

    def role_of_user(self, name: str, password: str, address: str) -> Role | None:
        """Return the role of a user; a wrong password is noted for the address. It takes a while."""
        role, stored = self._users.get(name, (Role.VIEWER, NOBODY))
        if not is_password(password[:1000], stored) or name not in self._users:
            self._note_wrong(address)
            return None
        return role

    def _note_wrong(self, address: str) -> None:
        now = self._clock()
        self._wrong.setdefault(address, deque(maxlen=_WRONG_A_MINUTE)).append(now)
        self._wrong.move_to_end(address)
        while len(self._wrong) > _MOST_ADDRESSES:
            self._wrong.popitem(last=False)
        self._all_wrong.append(now)

    def is_guessing(self, address: str) -> bool:
        """Return whether too many wrong tokens came of late, from an address or in all."""
        since = self._clock() - 60.0
        own = self._wrong.get(address)
        return (own is not None and len(own) == _WRONG_A_MINUTE and own[0] > since) or (
            len(self._all_wrong) == _WRONG_IN_ALL and self._all_wrong[0] > since
        )

    def session(self, user: str, role: Role) -> str:
        """Return the value of the cookie of a new session."""
        until = self._clock() + self.session_s
        content = json.dumps({"user": user, "role": role, "until": until, "id": secrets.token_hex(8)})
        packed = base64.urlsafe_b64encode(content.encode()).decode()
        return f"{packed}.{self._signature(f'session {packed}')}"

    def end(self, request: Request) -> None:
        """End the session of a request, as far as this process is concerned."""
        content = self._content(request.cookies.get(self.cookie(request), ""))
        if content is None:
            return
        now = self._clock()
        for old in [mark for mark, until in self._ended.items() if until <= now]:
            del self._ended[old]
        self._ended[str(content["id"])] = content["until"]

    def _of_session(self, value: str, address: str) -> Visitor | None:
        content = self._content(value)
        if content is None or self._clock() >= content["until"] or content["id"] in self._ended:
            return None
        return Visitor(content["user"], Role(content["role"]), address, content["id"])

    def _content(self, value: str) -> dict[str, Any] | None:
        """Return what a session says, None if it is not one of ours."""
        packed, _, signature = value.partition(".")
        good = self._signature(f"session {packed}")
        if not hmac.compare_digest(good.encode(), signature.encode("utf-8", "replace")):
            return None
        content: dict[str, Any] = json.loads(base64.urlsafe_b64decode(packed))
        return content

    def _signature(self, text: str) -> str:
        return hmac.new(self._key, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()

    # --- forms ------------------------------------------------------------------------

    def form_mark(self, visitor: Visitor) -> str:
        """Return what the forms of a visitor carry, so that no other site can make them."""
        return self._form_mark(visitor, int(self._clock() // _HOUR_S))

    def is_form_of(self, visitor: Visitor, mark: str) -> bool:
        """Return whether a form was made for a visitor, within the last hours."""
        hour = int(self._clock() // _HOUR_S)
        return any(
            hmac.compare_digest(self._form_mark(visitor, each).encode(), mark.encode("utf-8", "replace"))
            for each in range(hour, hour - _HOURS, -1)
        )

    def _form_mark(self, visitor: Visitor, hour: int) -> str:
        return self._signature(f"form {hour} {visitor.mark}")


def address_of(request: Request) -> str:
    """Return the address from which a request comes."""
    return request.client.host if request.client is not None else ""
