"""Logging in and out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from pynenc.actions.audit import Deed
from pynenc.conf.config_monitor import Role
from pynenc.monitor.access import Access, Visitor, address_of
from pynenc.monitor.forms import Note, form_of
from pynenc.monitor.places import is_place
from pynenc.monitor.security import is_same_site
from pynenc.monitor.shown import Context

_LONGEST = 2000


class LogIn:
    """The door of the monitor.

    Args:
        access: Who may see it.
        in_thread: Does in a thread what takes a while.
        page: Returns the page that asks who it is, under a root.
        note: Writes down that somebody was not let.
    """

    def __init__(
        self,
        access: Access,
        in_thread: Callable[[Callable[[], Any]], Awaitable[Any]],
        page: Callable[[str, Context], str],
        note: Note,
    ) -> None:
        self._access, self._in_thread, self._page, self._note = access, in_thread, page, note

    def routes(self) -> list[Route]:
        """Return what answers at which path."""
        return [
            Route("/login", self._login, methods=["GET", "POST"]),
            Route("/logout", self._logout, methods=["POST"]),
        ]

    async def _login(self, request: Request) -> Response:
        if self._access.is_open:
            return RedirectResponse(root_of(request) + "/", 303)
        problem, code, given = "", 200, dict[str, str]()
        if request.method == "POST":
            if not is_same_site(request):
                return PlainTextResponse("the form comes from another site", 403)
            address = address_of(request)
            was_guessing = self._access.is_guessing(address)
            given = await form_of(request) or {}
            name, secret = given.get("user", ""), given.get("token", "")
            if name and self._access.has_users:
                check = partial(self._access.role_of_user, name, secret, address)
                role = None if was_guessing else await self._in_thread(check)
            else:
                name, role = "token", self._access.role_of_token(secret, address)
            if role is not None:
                return self._logged_in(request, self._access.session(name, role), given.get("next", ""))
            await self._note(Visitor(name or "?", Role.VIEWER, address, ""), Deed("log in"), "wrong")
            problem, code = "This is not right.", 403
            if was_guessing:
                problem, code = "Too many wrong tries. Wait a minute.", 429
        following = (given if request.method == "POST" else request.query_params).get("next", "")
        context = {"problem": problem, "has_users": self._access.has_users, "next": following[:_LONGEST]}
        return HTMLResponse(self._page(root_of(request), context), code)

    def _logged_in(self, request: Request, session: str, following: str) -> Response:
        response = RedirectResponse(root_of(request) + back_to(following), 303)
        response.set_cookie(
            self._access.cookie(request),
            session,
            max_age=int(self._access.session_s),
            path=root_of(request) or "/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return response

    async def _logout(self, request: Request) -> Response:
        if not is_same_site(request):
            return PlainTextResponse("the form comes from another site", 403)
        response = RedirectResponse(root_of(request) + "/login", 303)
        self._access.end(request)
        response.delete_cookie(self._access.cookie(request), path=root_of(request) or "/")
        return response


def back_to(following: str) -> str:
    """Return the address, under the root, of a page that a form names; that of the overview if it is none."""
    place, _, query = following[:_LONGEST].partition("?")
    if not is_place(place):
        return "/"
    return f"/{quote(place)}?{quote(query, safe='=&%+')}" if query else f"/{quote(place)}"


def login_for(request: Request, place: str) -> str:
    """Return the address at which to log in, and from which to come back to a page."""
    query = str(request.url.query)
    following = f"{place}?{query}" if query else place
    return (
        f"/login?{urlencode({'next': following})}" if following and len(following) <= _LONGEST else "/login"
    )


def root_of(request: Request) -> str:
    """Return the path under which the monitor is mounted."""
    root: str = request.scope.get("root_path", "").rstrip("/")
    return root
