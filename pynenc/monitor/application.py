"""The monitor as an ASGI application."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Literal, Protocol
from urllib.parse import parse_qsl, urlencode

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from pynenc.conf.config_monitor import ConfigMonitor
from pynenc.conf.loader import SettingsLoader
from pynenc.exceptions import ConfigError, SearchError, StorageError
from pynenc.identifiers.texts import error_text, type_name, visible
from pynenc.lifecycle.components import Components
from pynenc.metrics.exposition import CONTENT_TYPE, metrics_text
from pynenc.monitor.masking import Masking
from pynenc.monitor.places import PAGES, look
from pynenc.monitor.rendering import environment, rendered, static_file
from pynenc.monitor.security import Access, Guard, client_of, is_same_site
from pynenc.monitor.views import Context
from pynenc.plugins.registry import CORE_DISTRIBUTION, version_of

_THREADS, _MOST_PENDING = 8, 64
_DEADLINE_S = 5.0
_LIVE_S = 2.0
_AGAIN_S = 30.0
_AGO = re.compile(r">[^<]*</time>")
_MOST_STREAMS = 200
_LONGEST_STREAM_S = 3600.0
_STATIC = {"monitor.css": "text/css", "monitor.js": "text/javascript"}


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
        auth: `token` to let in who knows the token, `host` if the application in which it is mounted looks
            after that, `open` for everybody.
    """

    def __init__(
        self, app: HasComponents, settings: ConfigMonitor, auth: Literal["token", "host", "open"]
    ) -> None:
        self._app, self._settings = app, settings
        token = settings.monitor_token if auth == "token" else None
        session_s = settings.monitor_session_hours * 3600
        self._access = Access(token, settings.monitor_secret, session_s, app.app_id)
        self._environment = environment()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="pynenc-monitor")
        self._pending = 0
        self._streams: set[object] = set()
        self._rendered: dict[str, tuple[float, asyncio.Task[tuple[int, str]]]] = {}

    def routes(self) -> list[Route]:
        """Return what answers at which path."""
        pages: list[Route] = []
        for path, _ in PAGES:
            pages.append(Route(f"/{path}", self._let_in(self._page), name=path or "overview"))
        return [
            *pages,
            Route("/invocations/{id}", self._let_in(self._page), name="invocation"),
            Route("/stream", self._let_in(self._stream)),
            Route("/metrics", self._let_in(self._metrics)),
            Route("/login", self._login, methods=["GET", "POST"]),
            Route("/logout", self._logout, methods=["POST"]),
            Route("/healthz", self._healthz),
            Route("/static/{name}", self._static),
        ]

    # --- who may see it ----------------------------------------------------------------

    def _let_in(
        self, answer: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def checked(request: Request) -> Response:
            if self._access.lets_in(request):
                return await answer(request)
            if "authorization" in request.headers or request.url.path.endswith(("/stream", "/metrics")):
                return PlainTextResponse("a token is needed", 401, {"www-authenticate": "Bearer"})
            return RedirectResponse(self._root(request) + "/login", 303)

        return checked

    async def _login(self, request: Request) -> Response:
        if self._access.is_open:
            return RedirectResponse(self._root(request) + "/", 303)
        problem, code = "", 200
        if request.method == "POST":
            if not is_same_site(request):
                return PlainTextResponse("the form comes from another site", 403)
            address = client_of(request)
            was_guessing = self._access.is_guessing(address)
            given = dict(parse_qsl((await _body(request)).decode("utf-8", "replace"))).get("token", "")
            if self._access.tries(given, address):
                return self._logged_in(request)
            problem, code = "This is not the token.", 403
            if was_guessing:
                problem, code = "Too many wrong tokens. Wait a minute.", 429
        return self._html(request, "login.html", {"problem": problem}, code)

    def _logged_in(self, request: Request) -> Response:
        response = RedirectResponse(self._root(request) + "/", 303)
        response.set_cookie(
            self._access.cookie(request),
            self._access.session(),
            max_age=int(self._access.session_s),
            path=self._root(request) or "/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return response

    async def _logout(self, request: Request) -> Response:
        if not is_same_site(request):
            return PlainTextResponse("the form comes from another site", 403)
        response = RedirectResponse(self._root(request) + "/login", 303)
        self._access.end(request)
        response.delete_cookie(self._access.cookie(request), path=self._root(request) or "/")
        return response

    # --- pages -------------------------------------------------------------------------

    async def _page(self, request: Request) -> Response:
        code, text = await self._content(self._root(request), self._place(request), str(request.url.query))
        return HTMLResponse(text, code)

    def _place(self, request: Request) -> str:
        path = request.url.path
        return path.removeprefix(self._root(request)).strip("/")

    async def _content(self, root: str, place: str, query: str) -> tuple[int, str]:
        """Return the code and the text of a page."""
        began = time.perf_counter()
        given = dict(parse_qsl(query, keep_blank_values=True))
        try:
            template, context, code = await self._in_thread(partial(self._look, place, given))
        except SearchError as error:
            problem = {
                "title": "This search cannot be understood",
                "text": visible(str(error)),
                "line": given.get("q", ""),
            }
            template, context, code = "problem.html", problem, 400
        except (StorageError, TimeoutError) as error:
            told = (
                f"no answer within {_DEADLINE_S:g} s"
                if isinstance(error, TimeoutError)
                else error_text(error)
            )
            told = Masking(self._app.components.conf, self._settings.monitor_mask).text(told)
            problem = {"title": "The store does not answer", "text": told, "line": ""}
            template, context, code = "problem.html", problem, 503
        except Exception:
            mark = secrets.token_hex(4)
            self._app.components.logger.exception(
                "the monitor could not show '%s' (%s)", visible(place), mark
            )
            problem = {"title": "Something went wrong", "text": f"The log says more, at {mark}.", "line": ""}
            template, context, code = "problem.html", problem, 500
        context = {**context, "took": time.perf_counter() - began}
        return code, self._text(root, place, template, context, query)

    def _look(self, place: str, given: dict[str, str]) -> tuple[str, Context, int]:
        components = self._app.components
        return look(components, Masking(components.conf, self._settings.monitor_mask), place, given)

    async def _in_thread(self, look: Callable[[], Any]) -> Any:
        """Return what a look returns; one that hangs keeps its thread, and there are never more of these.

        Raises:
            TimeoutError: It takes too long.
            StorageError: Too many others wait already.
        """
        if self._pending >= _MOST_PENDING:
            raise StorageError("too many pages wait for the store already; try again soon")
        self._pending += 1
        loop = asyncio.get_running_loop()
        future = self._threads.submit(look)
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._done))
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), _DEADLINE_S)
        except TimeoutError:
            future.cancel()
            raise

    def _done(self) -> None:
        self._pending -= 1

    # --- live --------------------------------------------------------------------------

    async def _stream(self, request: Request) -> Response:
        if len(self._streams) >= _MOST_STREAMS:
            return PlainTextResponse("too many streams", 503, {"retry-after": "15"})
        root, place = self._root(request), request.query_params.get("page", "").strip("/")
        is_known = place in {path for path, _ in PAGES} or place.startswith("invocations/")
        if not is_known:
            return PlainTextResponse("there is no such page", 404)
        stream = object()
        self._streams.add(stream)
        events = self._events(
            root, place, request.query_params.get("query", ""), lambda: self._access.lets_in(request)
        )
        return StreamingResponse(
            events,
            media_type="text/event-stream",
            headers={"x-accel-buffering": "no"},
            background=BackgroundTask(self._streams.discard, stream),
        )

    async def _events(
        self, root: str, place: str, query: str, is_let_in: Callable[[], bool] = lambda: True
    ) -> AsyncIterator[str]:
        seen, sent, until = "", 0.0, time.monotonic() + _LONGEST_STREAM_S
        yield "retry: 3000\n\n"
        while time.monotonic() < until and is_let_in():
            _, text = await self._shared(root, place, query)
            main = text[text.index("<main") : text.index("</main>")].partition(">")[2]
            mark = hashlib.sha256(_AGO.sub("<", main).encode("utf-8", "replace")).hexdigest()
            if mark != seen or time.monotonic() - sent >= _AGAIN_S:  # what is some seconds ago gets older
                sent = time.monotonic()
                lines = "\n".join(f"data: {line}" for line in main.split("\n"))
                yield f"event: main\n{lines}\n\n"
                seen = mark
            else:
                yield ": alive\n\n"
            await asyncio.sleep(_LIVE_S)

    async def _shared(self, root: str, place: str, query: str) -> tuple[int, str]:
        """Return a page that was rendered for whichever stream asked first in the last seconds."""
        key, now = f"{root} {place} {query}", time.monotonic()
        for old in [each for each, (at, _) in self._rendered.items() if now - at > 10 * _LIVE_S]:
            del self._rendered[old]
        at, task = self._rendered.get(key, (0.0, None))
        if task is None or now - at >= _LIVE_S * 0.9:
            task = asyncio.create_task(self._content(root, place, query))
            self._rendered[key] = now, task
        return await asyncio.shield(task)

    # --- others ------------------------------------------------------------------------

    async def _metrics(self, request: Request) -> Response:
        try:
            text = await self._in_thread(
                lambda: metrics_text(self._app.components, version_of(CORE_DISTRIBUTION))
            )
        except Exception as error:
            if not isinstance(error, (StorageError, TimeoutError)):
                self._app.components.logger.exception("the monitor could not tell the figures")
            return PlainTextResponse(f"{type_name(type(error))}\n", 503)
        return Response(text, media_type=CONTENT_TYPE)

    async def _healthz(self, request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def _static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _STATIC:
            return PlainTextResponse("there is no such file", 404)
        headers = {"cache-control": "max-age=3600"}
        return Response(static_file(name), media_type=_STATIC[name], headers=headers)

    @staticmethod
    def _root(request: Request) -> str:
        root: str = request.scope.get("root_path", "").rstrip("/")
        return root

    def _html(self, request: Request, template: str, context: Context, code: int) -> Response:
        return HTMLResponse(
            self._text(self._root(request), "login", template, {**context, "took": 0.0}), code
        )

    def _text(self, root: str, place: str, template: str, context: Context, query: str = "") -> str:
        frame = {
            "app_id": visible(self._app.app_id),
            "label": self._settings.monitor_label,
            "root": root,
            "place": place,
            "query": query,
            "pages": PAGES,
            "has_session": not self._access.is_open,
            "link": lambda path, **given: f"{root}/{path}" + (f"?{urlencode(given)}" if given else ""),
        }
        return rendered(self._environment, template, {**frame, **context})


async def _body(request: Request) -> bytes:
    """Return the body of a form, of 64 KiB at most."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > 65_536:
            return b""
    return body


def monitor_app(
    app: HasComponents,
    settings: ConfigMonitor | None = None,
    *,
    auth: Literal["token", "host", "open"] = "token",
) -> ASGIApp:
    """Return the monitor of an app as an ASGI application, which can be mounted under any path.

    Args:
        app: The app.
        settings: The settings of the monitor; by default those of the app.
        auth: `token` to ask for the token of `monitor_token`, `host` if the application in which it is
            mounted looks after who may see it, `open` for everybody who reaches it.

    Raises:
        ConfigError: A token is to be asked for, and none is set.
    """
    if settings is None:
        settings = app.settings_loader.load(ConfigMonitor)
    if auth == "token" and settings.monitor_token is None:
        raise ConfigError(
            "the monitor shows what an app does to everybody who reaches it: set 'monitor_token', or give "
            "auth='host' if the application in which it is mounted looks after who may see it"
        )
    hosts = ("*",) if auth == "host" else settings.monitor_allowed_hosts
    application = Starlette(routes=Monitor(app, settings, auth).routes())
    application.router.redirect_slashes = False  # it would lead to whatever host the client names
    return Guard(application, hosts)
