"""The monitor as an ASGI application."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol
from urllib.parse import parse_qsl, quote, urlencode

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from pynenc.actions.audit import Deed
from pynenc.conf.config_monitor import ConfigMonitor
from pynenc.conf.loader import SettingsLoader
from pynenc.exceptions import ConfigError, StorageError
from pynenc.identifiers.texts import type_name, visible
from pynenc.lifecycle.components import Components
from pynenc.metrics.exposition import CONTENT_TYPE, metrics_text
from pynenc.monitor.access import Access, Auth, RoleOf, Visitor
from pynenc.monitor.acting import ACTS, Act, Deeds
from pynenc.monitor.api_routes import Api, api_problem
from pynenc.monitor.exports import FORMATS, exported
from pynenc.monitor.figures import Figures
from pynenc.monitor.forms import MOST_BODY, MOST_PASTED, Pace, acted, asked_for, form_of, noted
from pynenc.monitor.live import OF_PROGRAMS, PageKey, Streams
from pynenc.monitor.log_in import LogIn, login_for, root_of
from pynenc.monitor.looks import Looks
from pynenc.monitor.masking import Masking
from pynenc.monitor.moved import newest
from pynenc.monitor.openapi import PREFIX
from pynenc.monitor.places import DETAILS, LISTS, PAGES, is_place, is_still, look, look_at_logs
from pynenc.monitor.preferences import preference_routes, preferences_of
from pynenc.monitor.rendering import NOT_YET, environment, rendered, static_file
from pynenc.monitor.security import Guard, is_same_site
from pynenc.monitor.shown import USUAL, Context, Shown, problem
from pynenc.monitor.value_views import taken
from pynenc.monitor.views import Views
from pynenc.plugins.registry import CORE_DISTRIBUTION, version_of

_READY_S = 2.0
_STATIC = {"monitor.css": "text/css", "monitor.js": "text/javascript", "timeline.js": "text/javascript"}
_REFUSED_FORM = (
    "the form was not made here, or hours ago: go back, load the page again, and send it once more"
)

Answer = Callable[[Request, Visitor], Awaitable[Response]]


class HasComponents(Protocol):
    """An app, as far as its monitor needs to know it."""

    @property
    def app_id(self) -> str:
        """The id of the app."""

    @property
    def components(self) -> Components:
        """The components of the app."""

    @property
    def settings_loader(self) -> SettingsLoader:
        """The loader of its settings."""


class Monitor:
    """The pages of one app.

    Args:
        app: The app.
        settings: The settings of the monitor.
        auth: `token` for those whom the settings let in, `host` if the application in which it is mounted
            looks after that, `open` for everybody.
        role_of: With `host`: returns the role of a request.
    """

    def __init__(
        self, app: HasComponents, settings: ConfigMonitor, auth: Auth, role_of: RoleOf | None = None
    ) -> None:
        self._app, self._settings = app, settings
        self._access = Access(settings, auth, app.app_id, role_of)
        self._environment = environment()
        self._looks = Looks(lambda: app.components, self._masking)
        self._notes = Pace()
        self._ready = float("-inf"), False
        self._form_mark = secrets.token_hex(16)  # stands for that of each visitor, as pages are shared
        self.streams = Streams(self._content, self._moved)
        self.figures = Figures()
        components, shown = (lambda: app.components), self._looks.shown
        self._api = Api(components, self._access, self._masking, shown, self._note_refused, self.streams)

    def routes(self) -> list[Route]:
        """Return what answers at which path."""
        pages = [
            Route(f"/{path}", self._let_in(self._page)) for path in (*(path for path, _ in PAGES), *DETAILS)
        ]
        acts = [
            Route(f"/{act.path}", self._let_in(partial(self._act, act)), methods=["POST"]) for act in ACTS
        ]
        return [
            *self._api.routes(),
            *acts,
            *pages,
            Route("/export", self._let_in(self._export)),
            Route("/invocations/{id}/download", self._let_in(self._download)),
            Route("/logs", self._let_in(self._read), methods=["POST"]),
            Route("/stream", self._let_in(self._stream)),
            Route("/metrics", self._let_in(self._metrics)),
            *preference_routes(),
            *LogIn(self._access, self._looks.in_thread, self._login_page, self._note_refused).routes(),
            Route("/healthz", self._healthz),
            Route("/readyz", self._readyz),
            Route("/static/{name}", self._static),
        ]

    # --- who may see it ----------------------------------------------------------------

    def _let_in(self, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        async def checked(request: Request) -> Response:
            visitor = self._access.visitor(request)
            if visitor is not None:
                return await answer(request, visitor)
            if self._access.is_open or self._settings.monitor_proxy_header is not None:
                return PlainTextResponse("you may not see this", 403)
            is_program = "authorization" in request.headers or request.method != "GET"
            if is_program or request.url.path.endswith(("/stream", "/metrics")):
                return PlainTextResponse("a token is needed", 401, {"www-authenticate": "Bearer"})
            return RedirectResponse(root_of(request) + login_for(request, self._place(request)), 303)

        return checked

    def _login_page(self, root: str, context: Context) -> str:
        return self._text(PageKey(root, "login", "", False), Shown("login.html", {**context, "took": 0.0}))

    # --- pages -------------------------------------------------------------------------

    async def _page(self, request: Request, visitor: Visitor) -> Response:
        code, text = await self._content(self._key(request, visitor, self._place(request)))
        return HTMLResponse(self._finished(text, request, visitor), code)

    def _key(self, request: Request, visitor: Visitor, place: str, query: str | None = None) -> PageKey:
        asked = str(request.url.query) if query is None else query
        columns = preferences_of(request).columns if place in LISTS else USUAL
        return PageKey(root_of(request), place, asked, visitor.can_act, columns)

    def _place(self, request: Request) -> str:
        path: str = request.scope["path"]
        return path.removeprefix(root_of(request)).strip("/")

    def _finished(self, text: str, request: Request, visitor: Visitor) -> str:
        """Return a page as a visitor gets it: with the chosen theme, and forms bound to the visitor."""
        liked = preferences_of(request)
        text = text.replace(self._form_mark, self._access.form_mark(visitor))
        return text.replace(
            NOT_YET, f'data-theme="{liked.theme}" data-keys="{"on" if liked.has_keys else "off"}"', 1
        )

    async def _content(self, key: PageKey) -> tuple[int, str]:
        """Return the code and the text of a page."""
        if key.place.startswith(OF_PROGRAMS):
            return await self._api.content(key.place.removeprefix(OF_PROGRAMS), key.query)
        began = time.perf_counter()
        given = dict(parse_qsl(key.query, keep_blank_values=True))
        shown = await self._looks.shown(key.place, partial(self._look, key, given), given)
        shown = shown._replace(context={**shown.context, "took": time.perf_counter() - began})
        return shown.code, self._text(key, shown)

    def _masking(self) -> Masking:
        return Masking(self._app.components.conf, self._settings.monitor_mask)

    def _look(self, key: PageKey, given: dict[str, str]) -> Shown:
        return look(self._app.components, self._masking(), key.place, given, key.columns)

    async def _export(self, request: Request, visitor: Visitor) -> Response:
        """Return what a search finds as a file; that it was taken is in the trail."""
        line, kind = request.query_params.get("q", ""), request.query_params.get("format", "csv")
        if kind not in FORMATS:
            return PlainTextResponse(f"there is no format '{kind}'; there are: {', '.join(FORMATS)}", 400)
        components, actor = self._app.components, visitor.actor
        views = Views(components, self._masking())
        asked = await self._looks.shown("export", partial(asked_for, components, actor, views, line), {})
        if asked.code != 200:
            return self._answer(self._key(request, visitor, "invocations"), request, visitor, asked)
        headers = {"content-disposition": f'attachment; filename="invocations.{kind}"'}
        content = exported(views, self._looks.shown, line, kind)
        return StreamingResponse(content, media_type=FORMATS[kind], headers=headers)

    async def _download(self, request: Request, visitor: Visitor) -> Response:
        """Return a value as a file; that it was taken is in the trail."""
        invocation_id, name = request.path_params["id"], request.query_params.get("argument", "")
        key = self._key(request, visitor, f"invocations/{invocation_id}", "")
        if not visitor.can_act:
            told = problem("You may look only", "Only operators may take a value as a file.", 403)
            return self._answer(key, request, visitor, told)
        take = partial(taken, self._app.components, self._masking(), visitor.actor, invocation_id, name)
        shown = await self._looks.shown("download", take, {})
        if shown.code != 200:
            return self._answer(key, request, visitor, shown)
        plain = "".join(sign for sign in invocation_id[-8:] if sign.isascii() and sign.isalnum())
        headers = {"content-disposition": f'attachment; filename="value-{plain}.txt"'}
        text = shown.context["text"].encode("utf-8", "replace")
        return Response(text, 200, headers, "application/octet-stream")

    async def _read(self, request: Request, visitor: Visitor) -> Response:
        """Return the page of logs with a text that was pasted, which is not kept."""
        if not (visitor.is_program or is_same_site(request)):
            return PlainTextResponse("the form comes from another site", 403)
        fields = await form_of(request, MOST_PASTED)
        if fields is None:
            return PlainTextResponse(f"a text has at most {MOST_PASTED:,} bytes", 413)
        key, text = self._key(request, visitor, "logs", ""), fields.get("text", "")
        shown = await self._looks.shown(
            "logs", partial(look_at_logs, self._app.components, self._masking(), text), {}
        )
        return self._answer(key, request, visitor, shown)

    async def refuse(self, request: Request, error: Exception) -> Response:
        """Return why a request has no answer: there is no such page, or it takes no such method."""
        code = error.status_code if isinstance(error, HTTPException) else 500
        title, text = "There is no such page", "Follow a link above, or search."
        if code == 405:
            title, text = (
                "This cannot be asked that way",
                f"{request.method} is not a method of this address.",
            )
        place = self._place(request)
        if place.startswith(f"{PREFIX}/"):
            return api_problem(code, title, f"{request.method} /{place}")
        visitor = self._access.visitor(request)
        if visitor is None or request.method != "GET":
            return PlainTextResponse(title, code)
        return self._answer(self._key(request, visitor, ""), request, visitor, problem(title, text, code))

    async def _moved(self) -> object:
        try:
            return await self._looks.in_thread(partial(newest, self._app.components))
        except Exception:  # noqa: BLE001 - the page tells what is wrong
            return None

    # --- actions -----------------------------------------------------------------------

    async def _act(self, act: Act, request: Request, visitor: Visitor) -> Response:
        """Carry out what a form asks for, and lead to a page that tells what came of it."""
        target = request.path_params.get("id", "")
        fields = await form_of(request)
        if fields is None:
            return PlainTextResponse(f"a form has at most {MOST_BODY:,} bytes", 413)
        key = self._key(request, visitor, act.back.replace("{id}", target), "")
        if not visitor.can_act:
            await self._note_refused(visitor, act.tried(target), "not let")
            role = "Only operators may act; you are a viewer."
            return self._answer(key, request, visitor, problem("You may look only", role, 403))
        is_ours = is_same_site(request) and self._access.is_form_of(visitor, fields.get("form", ""))
        if not (visitor.is_program or is_ours):
            await self._note_refused(visitor, act.tried(target), "a foreign form")
            return self._answer(key, request, visitor, problem("This form is not ours", _REFUSED_FORM, 403))
        given = {name: value for name, value in fields.items() if name in act.fields}
        deeds = Deeds(self._app.components, visitor.actor)
        shown = await self._looks.shown(act.path, partial(acted, act, deeds, target, given), {})
        if shown.code != 200:
            return self._answer(key, request, visitor, shown)
        done = urlencode({"done": shown.context["audit_id"]})
        return RedirectResponse(f"{key.root}/{quote(key.place)}?{done}", 303)

    def _answer(self, key: PageKey, request: Request, visitor: Visitor, shown: Shown) -> Response:
        context = {**shown.context, "took": 0.0, "is_answer": True}  # which stays until it was read
        text = self._text(key, shown._replace(context=context))
        return HTMLResponse(self._finished(text, request, visitor), shown.code)

    async def _note_refused(self, visitor: Visitor, deed: Deed, why: str) -> None:
        if not self._notes.is_free():
            return
        actor = visitor._replace(user=visitor.user[:100]).actor
        await self._looks.shown("", lambda: noted(self._app.components, actor, deed, why), {})

    # --- others ------------------------------------------------------------------------

    async def _stream(self, request: Request, visitor: Visitor) -> Response:
        place = request.query_params.get("page", "").strip("/")
        if not is_place(place) or is_still(place):
            return PlainTextResponse("there is no such page that is live", 404)
        return self.streams.answer(
            self._key(request, visitor, place, request.query_params.get("query", "")),
            lambda: self._access.visitor(request) is not None,
            lambda text: self._finished(text, request, visitor),
        )

    async def _metrics(self, request: Request, visitor: Visitor) -> Response:
        try:
            text = await self._looks.in_thread(
                lambda: metrics_text(self._app.components, version_of(CORE_DISTRIBUTION))
            )
        except Exception as error:
            if not isinstance(error, (StorageError, TimeoutError)):
                self._app.components.logger.exception("the monitor could not tell the figures")
            return PlainTextResponse(f"{type_name(type(error))}\n", 503)
        own = self.figures.text(self.streams.number, self._looks.pending)
        return Response(text + own, media_type=CONTENT_TYPE)

    async def _healthz(self, request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def _readyz(self, request: Request) -> Response:
        """Answer whether the store has answered in the last seconds, without telling anything of it."""
        at, is_ready = self._ready
        if time.monotonic() - at >= _READY_S:
            shown = await self._looks.shown("readyz", self._pinged, {})
            is_ready = shown.code == 200
            self._ready = time.monotonic(), is_ready
        text = "ok\n" if is_ready else "the store does not answer\n"
        return PlainTextResponse(text, 200 if is_ready else 503)

    def _pinged(self) -> Shown:
        self._app.components.orchestrator.ping()
        return Shown("", {})

    async def _static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _STATIC:
            return PlainTextResponse("there is no such file", 404)
        return Response(static_file(name), 200, {"cache-control": "max-age=3600"}, _STATIC[name])

    def _text(self, key: PageKey, shown: Shown) -> str:
        frame = {
            "app_id": visible(self._app.app_id),
            "label": self._settings.monitor_label,
            "root": key.root,
            "place": key.place,
            "query": key.query,
            "pages": PAGES,
            "has_session": not self._access.is_open,
            "can_act": key.can_act,
            "columns": key.columns,
            "form_mark": self._form_mark,
            "is_live": not is_still(key.place) and "is_answer" not in shown.context,
            "link": lambda path, **given: f"{key.root}/{path}" + (f"?{urlencode(given)}" if given else ""),
        }
        return rendered(self._environment, shown.template, {"notice": None, **shown.context, **frame})


def monitor_app(
    app: HasComponents,
    settings: ConfigMonitor | None = None,
    *,
    auth: Auth = "token",
    role: RoleOf | None = None,
) -> ASGIApp:
    """Return the monitor of an app as an ASGI application, which can be mounted under any path.

    Args:
        app: The app.
        settings: The settings of the monitor; by default those of the app.
        auth: `token` to let in those whom the settings name, `host` if the application in which it is
            mounted looks after who may see it, `open` for everybody who reaches it.
        role: With `host`: returns the role of a request, given its ASGI scope: `viewer`, `operator`, or
            anything else for nobody. Without it, everybody may look and nobody may act.

    Raises:
        ConfigError: The settings do not say who is to be let in.
    """
    return guarded(app, settings, auth, role)[0]


def guarded(
    app: HasComponents, settings: ConfigMonitor | None, auth: Auth, role: RoleOf | None = None
) -> tuple[ASGIApp, Streams]:
    """Return the monitor of an app, and the streams that are to be ended before it stops; see `monitor_app`.

    Raises:
        ConfigError: The settings do not say who is to be let in.
    """
    if settings is None:
        settings = app.settings_loader.load(ConfigMonitor)
    if auth == "token" and not settings.asks_who_it_is:
        raise ConfigError(
            "the monitor shows what an app does to everybody who reaches it: set 'monitor_token', or give "
            "auth='host' if the application in which it is mounted looks after who may see it"
        )
    if settings.monitor_proxy_header is not None and not settings.monitor_trusted_proxies:
        raise ConfigError(
            "'monitor_proxy_header' is believed from 'monitor_trusted_proxies' only, and that names none"
        )
    hosts = ("*",) if auth == "host" else settings.monitor_allowed_hosts
    monitor = Monitor(app, settings, auth, role)
    application = Starlette(routes=monitor.routes(), exception_handlers={HTTPException: monitor.refuse})
    application.router.redirect_slashes = False  # it would lead to whatever host the client names
    note = monitor.figures.note
    return Guard(application, hosts, settings.monitor_trusted_proxies, note=note), monitor.streams
