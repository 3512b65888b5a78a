"""Looks at the store: in threads, within bounds, and never without an answer."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pynenc.exceptions import SearchError, StorageError
from pynenc.identifiers.texts import error_text, visible
from pynenc.lifecycle.components import Components
from pynenc.monitor.masking import Masking
from pynenc.monitor.shown import Shown, problem

_THREADS, _MOST_PENDING = 8, 64
DEADLINE_S = 5.0
"""The longest that a page waits for the store, in seconds."""


class Looks:
    """The looks of a process at the store of one app.

    Args:
        components: Returns the components of the app.
        masking: Returns what shows stored texts.
    """

    def __init__(self, components: Callable[[], Components], masking: Callable[[], Masking]) -> None:
        self._components, self._masking = components, masking
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="pynenc-monitor")
        self.pending = 0

    async def in_thread(self, look: Callable[[], Any]) -> Any:
        """Return what a look returns; one that hangs keeps its thread, and there are never more of these.

        Raises:
            TimeoutError: It takes too long.
            StorageError: Too many others wait already.
        """
        if self.pending >= _MOST_PENDING:
            raise StorageError("too many pages wait for the store already; try again soon")
        self.pending += 1
        loop = asyncio.get_running_loop()
        future = self._threads.submit(look)
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._done))
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), DEADLINE_S)
        except TimeoutError:
            future.cancel()
            raise

    def _done(self) -> None:
        self.pending -= 1

    async def shown(self, place: str, look: Callable[[], Shown], given: dict[str, str]) -> Shown:
        """Return what a look shows, or what is wrong with it.

        Args:
            place: What is looked at, for the log.
            look: Looks at the store.
            given: The parameters of the request.
        """
        try:
            shown: Shown = await self.in_thread(look)
            return shown
        except SearchError as error:
            return problem("This search cannot be understood", visible(str(error)), 400, given.get("q", ""))
        except (StorageError, TimeoutError) as error:
            is_late = isinstance(error, TimeoutError)
            told = f"no answer within {DEADLINE_S:g} s" if is_late else error_text(error)
            return problem("The store does not answer", self._masking().text(told), 503)
        except Exception:
            mark, logger = secrets.token_hex(4), self._components().logger
            logger.exception("the monitor could not show '%s' (%s)", visible(place), mark)
            return problem("Something went wrong", f"The log says more, at {mark}.", 500)
