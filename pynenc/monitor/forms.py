"""Forms: read within bounds, and carried out or refused with the reason."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias
from urllib.parse import parse_qsl

from starlette.requests import Request

from pynenc.actions.audit import REFUSALS, Actor, Deed, audited, refused
from pynenc.exceptions import InvocationNotFoundError, SearchError, StorageError, TriggerNotFoundError
from pynenc.identifiers.texts import error_text, visible
from pynenc.lifecycle.components import Components
from pynenc.monitor.access import Visitor
from pynenc.monitor.acting import Act, Deeds
from pynenc.monitor.shown import Shown, problem
from pynenc.monitor.views import Views

MOST_BODY = 65_536
"""The most bytes of a form."""

MOST_PASTED = 3 * 262_144
"""The most bytes of a text that is pasted, which browsers may encode three times as long."""

_BODY_S = 10.0
_NOTED_A_MINUTE = 20


Note: TypeAlias = Callable[[Visitor, Deed, str], Awaitable[None]]
"""Writes down, within bounds, that somebody tried something and was not let: who, what, and why not."""


class Pace:
    """Bounds how often strangers make something be written down: 20 times a minute.

    Args:
        clock: Returns seconds that only rise.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: deque[float] = deque(maxlen=_NOTED_A_MINUTE)

    def is_free(self) -> bool:
        """Return whether it may be written down once more, and count it."""
        now = self._clock()
        if len(self._times) == _NOTED_A_MINUTE and now - self._times[0] < 60.0:
            return False
        self._times.append(now)
        return True


async def body_of(request: Request, most: int = MOST_BODY) -> bytes | None:
    """Return the body of a request; None if it is too large, or comes too slowly."""
    body = b""
    try:
        async with asyncio.timeout(_BODY_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    return None
    except TimeoutError:
        return None
    return body


async def form_of(request: Request, most: int = MOST_BODY) -> dict[str, str] | None:
    """Return the fields of a form; None if it is too large, or comes too slowly."""
    body = await body_of(request, most)
    if body is None:
        return None
    try:
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    except ValueError:  # more fields than there can be
        return {}


def acted(act: Act, deeds: Deeds, target: str, fields: Mapping[str, str]) -> Shown:
    """Carry out an action; return the id of its entry in the trail, or why it cannot be done."""
    try:
        return Shown("", {"audit_id": act.do(deeds, target, fields)})
    except (StorageError, SearchError):
        raise
    except REFUSALS as error:
        text = _reason(error)
        if not deeds.is_noted:
            refused(deeds.components, deeds.actor, act.tried(target), text)
        is_missing = isinstance(error, (LookupError, InvocationNotFoundError, TriggerNotFoundError))
        return problem("This cannot be done", visible(text), 404 if is_missing else 409)


def _reason(error: BaseException) -> str:
    if isinstance(error, UnicodeError):
        return "a text holds a lone surrogate, which cannot be stored"
    return str(error.args[0]) if isinstance(error, LookupError) and error.args else error_text(error)


def noted(components: Components, actor: Actor, deed: Deed, why: str) -> Shown:
    """Write down that somebody tried something and was not let."""
    refused(components, actor, deed, why)
    return Shown("", {})


def asked_for(components: Components, actor: Actor, views: Views, line: str) -> Shown:
    """Write down that somebody takes what a search finds as a file.

    Raises:
        SearchError: The line cannot be understood.
    """
    views.invocations(line, None, 1)
    audited(components, actor, Deed("export", None, line), lambda _: "it was sent")
    return Shown("", {})
