"""Live pages: one stream for each page that is seen, and one look at the store for all who see the same."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple, TypeAlias

from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from pynenc.monitor.shown import USUAL

LIVE_S = 2.0
"""The seconds between two looks at what a page shows."""

CALM_S = 10.0
"""The seconds after which a page is rendered anew though nothing has moved."""

MOST_STREAMS = 200
"""The most streams of a process."""

OF_PROGRAMS = "api/v1/"
"""What the places of the JSON interface begin with."""

_AGAIN_S = 30.0
_KEPT_S = 20.0
_LONGEST_STREAM_S = 3600.0
_AGO = re.compile(r">[^<]*</time>")


class PageKey(NamedTuple):
    """A page as one kind of visitors sees it.

    Attributes:
        root: The path under which the monitor is mounted.
        place: The path of the page.
        query: The parameters of the request.
        can_act: Whether the visitor may act.
        columns: The columns of lists that the visitor has chosen.
    """

    root: str
    place: str
    query: str
    can_act: bool
    columns: tuple[str, ...] = USUAL


Render: TypeAlias = Callable[[PageKey], Awaitable[tuple[int, str]]]
"""Returns the code and the text of a page."""


Probe: TypeAlias = Callable[[], Awaitable[object]]
"""Returns something that changes when anything may have moved, at next to no cost; None if nobody knows."""


class _Look(NamedTuple):
    """A page as it was rendered last.

    Attributes:
        at: When it was rendered, in monotonic seconds.
        mark: What the probe said before.
        shown: The code and the text.
    """

    at: float
    mark: object
    shown: tuple[int, str]


def main_of(text: str) -> str:
    """Return the main part of a page."""
    return text[text.index("<main") : text.index("</main>")].partition(">")[2]


class Streams:
    """The streams of a process.

    Args:
        render: Renders a page.
        probe: Tells whether anything may have moved since.
    """

    def __init__(self, render: Render, probe: Probe) -> None:
        self._render, self._probe = render, probe
        self._going: set[object] = set()
        self._over = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._looks: dict[PageKey, tuple[float, asyncio.Task[_Look]]] = {}
        self._probed: tuple[float, asyncio.Task[object]] | None = None

    @property
    def number(self) -> int:
        """The number of streams."""
        return len(self._going)

    def stop(self) -> None:
        """End all streams, from whichever thread; none begins any more."""
        loop = self._loop
        if loop is not None:
            loop.call_soon_threadsafe(self._over.set)

    def answer(
        self,
        key: PageKey,
        is_let_in: Callable[[], bool],
        finish: Callable[[str], str] = lambda text: text,
        part: Callable[[str], str] = main_of,
    ) -> Response:
        """Return the stream of a page as an answer, or that there are too many; see `events`."""
        if len(self._going) >= MOST_STREAMS:
            return PlainTextResponse("too many streams", 503, {"retry-after": "15"})
        stream = object()
        self._going.add(stream)
        return StreamingResponse(
            self.events(key, is_let_in, finish, part),
            media_type="text/event-stream",
            headers={"x-accel-buffering": "no"},
            background=BackgroundTask(self._going.discard, stream),
        )

    async def events(
        self,
        key: PageKey,
        is_let_in: Callable[[], bool] = lambda: True,
        finish: Callable[[str], str] = lambda text: text,
        part: Callable[[str], str] = main_of,
    ) -> AsyncIterator[str]:
        """Yield the events of a stream: the main part of a page whenever it has changed.

        Args:
            key: The page.
            is_let_in: Whether the visitor may still see it.
            finish: Completes the text for the visitor.
            part: Returns the part of the page that is sent.
        """
        seen, sent, until = "", 0.0, time.monotonic() + _LONGEST_STREAM_S
        yield "retry: 3000\n\n"
        self._loop = asyncio.get_running_loop()
        while time.monotonic() < until and not self._over.is_set() and is_let_in():
            code, text = await self._shared(key)
            main = part(text)
            mark = hashlib.sha256(_AGO.sub("<", main).encode("utf-8", "replace")).hexdigest()
            if mark != seen or time.monotonic() - sent >= _AGAIN_S:  # what is some seconds ago gets older
                sent = time.monotonic()
                lines = "\n".join(f"data: {line}" for line in finish(main).split("\n"))
                name = "main" if part is main_of else "data" if code == 200 else "problem"
                yield f"event: {name}\n{lines}\n\n"
                seen = mark
            else:
                yield ": alive\n\n"
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), LIVE_S)

    async def _shared(self, key: PageKey) -> tuple[int, str]:
        """Return a page that was rendered for whichever stream asked first in the last seconds."""
        now = time.monotonic()
        for old in [each for each, (at, _) in self._looks.items() if now - at > _KEPT_S]:
            del self._looks[old]
        at, task = self._looks.get(key, (0.0, None))
        if task is None or now - at >= LIVE_S * 0.9:
            before = task.result() if task is not None and task.done() and not task.exception() else None
            task = asyncio.ensure_future(self._look(key, before))
            self._looks[key] = now, task
        return (await asyncio.shield(task)).shown

    async def _look(self, key: PageKey, before: _Look | None) -> _Look:
        """Render a page anew, unless nothing has moved since it was rendered a moment ago.

        On a page about one thing more may change than the probe sees.
        """
        now = time.monotonic()
        mark = None if "/" in key.place.removeprefix(OF_PROGRAMS) else await self._marked()
        if before is not None and mark is not None and mark == before.mark and now - before.at < CALM_S:
            return before
        return _Look(now, mark, await self._render(key))

    async def _marked(self) -> object:
        """Return what the probe says, which all pages share for a moment."""
        now = time.monotonic()
        if self._probed is None or now - self._probed[0] >= LIVE_S * 0.5:
            self._probed = now, asyncio.ensure_future(self._probe())
        return await asyncio.shield(self._probed[1])
