"""Waiting in coroutines that are cancelled at the worst moment."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pynenc.lifecycle.waiting import _beside_loop


class Note:
    """A context that says how far it is, and waits at a gate when it is entered or left."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.at_gate = threading.Event()
        self.gate = threading.Event()

    def _pass(self, step: str, stop_at: str) -> None:
        if step == stop_at:
            self.at_gate.set()
            self.gate.wait()
        self.steps.append(step)

    @contextmanager
    def noted(self, stop_at: str) -> Iterator[None]:
        self._pass("entered", stop_at)
        try:
            yield
        finally:
            self._pass("left", stop_at)


@pytest.mark.parametrize("stop_at", ["entered", "left"])
def test_what_was_entered_is_left_before_a_cancelled_waiter_goes_on(stop_at: str) -> None:
    note = Note()

    async def wait() -> None:
        async with _beside_loop(note.noted(stop_at)):
            note.steps.append("inside")

    async def main() -> None:
        waiter = asyncio.ensure_future(wait())
        await asyncio.to_thread(note.at_gate.wait)
        waiter.cancel()
        asyncio.get_running_loop().call_soon(note.gate.set)
        with pytest.raises(asyncio.CancelledError):
            await waiter

    asyncio.run(main())
    inside = [] if stop_at == "entered" else ["inside"]
    assert note.steps == ["entered", *inside, "left"]
