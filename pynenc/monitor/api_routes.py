"""Serving the JSON interface."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pynenc.actions.audit import entry_of
from pynenc.exceptions import SearchError
from pynenc.lifecycle.components import Components
from pynenc.monitor.access import Access, Visitor
from pynenc.monitor.acting import ACTS, Act, Deeds
from pynenc.monitor.api import Asked, Endpoint, dry_run, read
from pynenc.monitor.endpoints import ENDPOINTS
from pynenc.monitor.forms import MOST_BODY, Note, acted, body_of
from pynenc.monitor.live import OF_PROGRAMS, PageKey, Streams
from pynenc.monitor.masking import Masking
from pynenc.monitor.openapi import PREFIX, openapi, problem_object
from pynenc.monitor.security import is_same_site
from pynenc.monitor.shown import Context, Show, Shown, problem


class Api:
    """The JSON interface of one app.

    Args:
        components: Returns the components of the app.
        access: Who may see it.
        masking: Returns what shows stored texts.
        show: Looks at the store within bounds.
        note: Writes down that somebody was not let.
        streams: The live pages, which programs can follow as well.
    """

    def __init__(
        self,
        components: Callable[[], Components],
        access: Access,
        masking: Callable[[], Masking],
        show: Show,
        note: Note,
        streams: Streams,
    ) -> None:
        self._components, self._access, self._masking = components, access, masking
        self._show, self._note, self._streams = show, note, streams

    def routes(self) -> list[Route]:
        """Return what answers at which path."""
        reads = [
            Route(f"/{PREFIX}/{each.path}", self._let_in(partial(self._read, each))) for each in ENDPOINTS
        ]
        acts = [
            Route(f"/{PREFIX}/{each.path}", self._let_in(partial(self._act, each)), methods=["POST"])
            for each in ACTS
        ]
        description = Route(f"/{PREFIX}/openapi.json", self._let_in(self._describe))
        stream = Route(f"/{PREFIX}/stream", self._let_in(self._stream))
        return [description, stream, *acts, *reads]

    def _let_in(
        self, answer: Callable[[Request, Visitor], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def checked(request: Request) -> Response:
            visitor = self._access.visitor(request)
            if visitor is None:
                return api_problem(401, "You may not see this", "send a token: Authorization: Bearer ...")
            return await answer(request, visitor)

        return checked

    async def _describe(self, request: Request, visitor: Visitor) -> Response:
        return JSONResponse(openapi())

    async def _read(self, endpoint: Endpoint, request: Request, visitor: Visitor) -> Response:
        given = dict(parse_qsl(str(request.url.query), keep_blank_values=True))
        return await self._found(endpoint, given, request.path_params.get("id", ""))

    async def content(self, place: str, query: str) -> tuple[int, str]:
        """Return the code and the text of what can be read at a place."""
        given = dict(parse_qsl(query, keep_blank_values=True))
        for endpoint in ENDPOINTS:
            found = re.fullmatch(endpoint.path.replace("{id}", "([^/]+)"), place)
            if found is not None:
                answer = await self._found(endpoint, given, found[1] if found.groups() else "")
                return answer.status_code, bytes(answer.body).decode()
        return 404, bytes(api_problem(404, "Not found", f"there is no '{place}' to be read").body).decode()

    async def _stream(self, request: Request, visitor: Visitor) -> Response:
        """Follow what can be read."""
        given = dict(parse_qsl(str(request.url.query), keep_blank_values=True))
        place = given.pop("of", "").strip("/")
        code, text = await self.content(place, urlencode(given))
        if code != 200:
            return Response(text, code, media_type="application/problem+json")
        key = PageKey("", OF_PROGRAMS + place, urlencode(given), False)
        return self._streams.answer(
            key, lambda: self._access.visitor(request) is not None, part=lambda text: text
        )

    async def _found(self, endpoint: Endpoint, given: dict[str, str], target: str) -> Response:
        unknown = sorted(given.keys() - endpoint.parameters.keys())
        if unknown:
            known = ", ".join(endpoint.parameters) or "none"
            return api_problem(
                400, "Unknown parameter", f"'{unknown[0]}' is not a parameter; there are: {known}"
            )
        asked = Asked(self._components(), self._masking(), given, target)
        return await self._answered(lambda: Shown("", {"found": read(endpoint, asked)}), endpoint.path)

    async def _answered(self, look: Callable[[], Shown], place: str) -> Response:
        shown = await self._show(place, look, {})
        if shown.code != 200:
            return api_problem(shown.code, shown.context["title"], shown.context["text"])
        if shown.context["found"] is None:
            return api_problem(404, "Not found", "nothing is stored under this id")
        return JSONResponse(shown.context["found"])

    async def _act(self, act: Act, request: Request, visitor: Visitor) -> Response:
        body = await body_of(request)
        if body is None:
            return api_problem(413, "Too large", f"a body has at most {MOST_BODY:,} bytes")
        target, components = request.path_params.get("id", ""), self._components()
        if not visitor.can_act:
            await self._note(visitor, act.tried(target), "not let")
            return api_problem(403, "You may look only", "only operators may act; you are a viewer")
        fields = _fields(body)
        if fields is None:
            return api_problem(400, "Not JSON", "the body is not a JSON object with texts and numbers")
        is_ours = is_same_site(request) and self._access.is_form_of(visitor, fields.pop("form", ""))
        if not (visitor.is_program or is_ours):
            await self._note(visitor, act.tried(target), "a foreign form")
            return api_problem(403, "Not ours", "send a token, or the mark of a form of yours as 'form'")
        wish = fields.pop("dry_run", "false") if act.path == "jobs" else "false"
        if wish not in ("true", "false"):
            return api_problem(400, "Not a truth value", "'dry_run' is true or false")
        if wish == "true":
            return await self._answered(partial(_previewed, components, fields), act.path)
        key = request.headers.get("idempotency-key")
        if key is not None and "key" in act.fields:
            fields.setdefault("key", key)
        unknown = sorted(fields.keys() - set(act.fields))
        if unknown:
            known = ", ".join(act.fields) or "none"
            text = f"'{unknown[0]}' is not a field; there are: {known}"
            return api_problem(400, "Unknown field", text)
        return await self._answered(
            partial(_done, act, Deeds(components, visitor.actor), target, fields), act.path
        )


def _previewed(components: Components, fields: dict[str, str]) -> Shown:
    try:
        return Shown("", {"found": dry_run(components, fields)})
    except SearchError:
        raise
    except ValueError as error:
        return problem("This cannot be done", str(error), 409)


def _done(act: Act, deeds: Deeds, target: str, fields: dict[str, str]) -> Shown:
    shown = acted(act, deeds, target, fields)
    if shown.code != 200:
        return shown
    entry = entry_of(deeds.components, shown.context["audit_id"])
    result = entry.result if entry is not None else ""
    return Shown("", {"found": {"audit_id": shown.context["audit_id"], "result": result}})


def _fields(body: bytes) -> dict[str, str] | None:
    """Return the members of a JSON object as texts, None if it is something else."""
    try:
        found: Any = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    if any(isinstance(each, (list, dict)) and name != "payload" for name, each in found.items()):
        return None
    return {name: each if isinstance(each, str) else json.dumps(each) for name, each in found.items()}


def api_problem(code: int, title: str, detail: str) -> Response:
    """Return what is wrong, for programs."""
    content: Context = problem_object(code, title, detail)
    headers = {"www-authenticate": "Bearer"} if code == 401 else None
    return JSONResponse(content, code, headers, media_type="application/problem+json")
