"""Preferences of a visitor, kept in cookies: the theme, the columns of lists, whether keys do something."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from pynenc.monitor.forms import form_of
from pynenc.monitor.log_in import back_to, root_of
from pynenc.monitor.security import is_same_site
from pynenc.monitor.shown import COLUMNS, USUAL

THEMES = {"": "dark", "dark": "light", "light": ""}
"""The themes, empty for that of the system, each with the one that is offered next."""

_YEAR_S = 365 * 86_400
_THEME, _COLUMNS, _KEYS = "pynenc_theme", "pynenc_columns", "pynenc_keys"


class Preferences(NamedTuple):
    """The preferences of a visitor.

    Attributes:
        theme: A key of `THEMES`.
        columns: The chosen ones of `COLUMNS`, in their order.
        has_keys: Whether keys do something.
    """

    theme: str = ""
    columns: tuple[str, ...] = USUAL
    has_keys: bool = True


def preferences_of(request: Request) -> Preferences:
    """Return what a visitor likes; whatever else stands in the cookies counts for nothing."""
    theme = request.cookies.get(_THEME, "")
    chosen = request.cookies.get(_COLUMNS)
    columns = USUAL if chosen is None else _known(chosen.split("-"))
    return Preferences(theme if theme in THEMES else "", columns, request.cookies.get(_KEYS) != "off")


def _known(names: list[str]) -> tuple[str, ...]:
    return tuple(each for each in COLUMNS if each in names)


def preference_routes() -> list[Route]:
    """Return what keeps preferences."""
    return [Route("/preferences", _keep, methods=["POST"])]


async def _keep(request: Request) -> Response:
    """Keep what a form chooses, and lead back to the page that it is on."""
    if not is_same_site(request):
        return PlainTextResponse("the form comes from another site", 403)
    fields = await form_of(request)
    if fields is None:
        return PlainTextResponse("the form is too large", 413)
    root = root_of(request)
    response = RedirectResponse(root + back_to(fields.get("next", "")), 303)
    chosen: dict[str, str] = {}
    if fields.get("theme") in THEMES:
        chosen[_THEME] = fields["theme"]
    if "columns" in fields:
        names = _known([name for name, value in fields.items() if value == "on"])
        chosen[_COLUMNS] = "-".join(names) or "none"
    if fields.get("keys") in ("on", "off"):
        chosen[_KEYS] = fields["keys"]
    for name, value in chosen.items():
        response.set_cookie(
            name,
            quote(value),
            max_age=_YEAR_S,
            path=root or "/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="lax",
        )
    return response
