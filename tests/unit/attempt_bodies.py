"""Workflows that fail and are tried again, or continue as new."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, cast

from workflow_bodies import here

from pynenc.calls.interfaces import current_invocation

DONE: Counter[str] = Counter()


def _attempt() -> int:
    invocation = current_invocation.get()
    assert invocation is not None
    return invocation.num_retries


def _do(what: str) -> str:
    DONE[what] += 1
    return f"{what} {DONE[what]}"


def counts() -> int:
    _, wf = here()
    done = cast(int, wf.get_data("done", 0))
    wf.set_data("done", done + 1)
    if _attempt() < 2:
        raise ConnectionError("again")
    return done + 1


def another_way() -> list[Any]:
    """Return what a body gives that goes another way once its data says so."""
    _, wf = here()
    found = [wf.step("first", lambda: _do("first"))]
    if wf.get_data("milestone") is None:
        found.append(wf.step("only at first", lambda: _do("only at first")))
        wf.set_data("milestone", "passed")
        raise ConnectionError("after the milestone")
    wf.sleep(0.01)
    return [*found, wf.get_data("milestone"), wf.step("last", lambda: _do("last")), wf.random() < 1]


def same_name_twice() -> list[str]:
    _, wf = here()
    found = [wf.step("s", lambda: _do("s")) for _ in range(2 + _attempt())]
    if _attempt() < 2:
        raise ConnectionError("again")
    return found


def parks_between_attempts() -> list[Any]:
    _, wf = here()
    first = wf.step("first", lambda: _do("first"))
    wf.set_data("attempt", _attempt())
    wf.sleep(0.05)
    if _attempt() == 0:
        raise ConnectionError("again")
    return [first, wf.get_data("attempt")]


def unfit() -> Any:
    return (each for each in ())


def pays() -> str:
    _, wf = here()
    try:
        wf.step("pay", lambda: (_do("pay"), unfit())[1])
    except Exception as error:  # noqa: BLE001 - which one is what is looked at
        text = f"{type(error).__name__}: {error}"
    wf.sleep(0.05)
    return text


async def pays_async() -> str:
    _, wf = here()

    async def pay() -> Any:
        _do("pay")
        return unfit()

    try:
        await wf.async_step("pay", pay)
    except Exception as error:  # noqa: BLE001 - which one is what is looked at
        text = f"{type(error).__name__}: {error}"
    await wf.async_sleep(0.05)
    return text


def account(round_: int, seen: list[Any]) -> list[Any]:
    """Return the numbers of the payments that were told, one in each run."""
    _, wf = here()
    try:
        seen = [*seen, wf.wait_event("paid", timeout=0.2 if round_ > 2 else 60)["number"]]
    except TimeoutError as error:
        return [*seen, type(error).__name__]
    wf.continue_as_new(round_ + 1, seen)
    return []


async def gives_up(way: str) -> list[Any]:
    """Return what a coroutine gets that stops waiting for an event, and is parked afterwards."""
    _, wf = here()
    DONE["runs"] += 1
    found: list[Any] = []
    try:
        if way == "wait_for":
            await asyncio.wait_for(wf.async_wait_event("paid"), 0.1)
        elif way == "timeout":
            async with asyncio.timeout(0.1):
                await wf.async_wait_event("paid")
        else:
            waits = [
                asyncio.ensure_future(wf.async_wait_event("paid")),
                asyncio.ensure_future(asyncio.sleep(0.1)),
            ]
            _, left = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for each in left:
                each.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
            raise TimeoutError
    except TimeoutError:
        found.append("timeout")
    found.append((await wf.async_wait_event("go on"))["n"])
    found.append((await wf.async_wait_event("paid"))["n"])
    return found


async def gives_up_sleeping(way: str) -> list[Any]:
    """Return what a coroutine gets that stops sleeping, and is parked until the sleep would be over."""
    _, wf = here()

    async def after() -> str:
        return "after"

    DONE["runs"] += 1
    found: list[Any] = []
    try:
        if way == "wait_for":
            await asyncio.wait_for(wf.async_sleep(1), 0.1)
        elif way == "timeout":
            async with asyncio.timeout(0.1):
                await wf.async_sleep(1)
        elif way == "two":
            async with asyncio.timeout(0.1):
                await wf.async_sleep(0.01)
                await wf.async_sleep(1)
        else:
            sleeping = asyncio.ensure_future(wf.async_sleep(1))
            await asyncio.wait([sleeping], timeout=0.1)
            sleeping.cancel()
            await asyncio.gather(sleeping, return_exceptions=True)
            raise TimeoutError
        found.append("slept")
    except TimeoutError:
        found.append("timeout")
    found.append(await wf.async_step("after", after))
    await wf.async_sleep(1.5)
    if DONE["runs"] == 2:
        raise ConnectionError("another attempt")
    found.append("last")
    return found


async def leaves_waits_behind() -> list[Any]:
    """Fail once while coroutines beside wait, which end with the run and not by the code's own will."""
    _, wf = here()
    DONE["runs"] += 1
    beside = [asyncio.ensure_future(wf.async_wait_event("paid")), asyncio.ensure_future(wf.async_sleep(0.3))]
    await asyncio.sleep(0.05)
    if DONE["runs"] == 1:
        raise ConnectionError("another attempt")
    return [(await beside[0])["n"], await beside[1]]


async def is_cut_short(way: str) -> str:
    """Fail with asyncio's timeout in the first attempt, and have time enough in the next."""
    _, wf = here()
    DONE["runs"] += 1
    first = await wf.async_step("first", lambda: _later("first"))
    limit = 0.05 if _attempt() == 0 else 60
    if way == "sleep":
        async with asyncio.timeout(limit):
            await wf.async_sleep(0.2)
    elif way == "wait_for":
        await asyncio.wait_for(wf.async_wait_event("paid"), limit)
    else:
        try:
            async with asyncio.timeout(limit):
                await wf.async_wait_event("paid", timeout=60)
        except TimeoutError as error:
            raise ConnectionError("too late") from error
    return first


async def _later(what: str) -> str:
    return _do(what)
