"""Bodies that report how far they have come."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from pynenc.calls.interfaces import current_invocation
from pynenc.workflow.context import WorkflowContext

GO_ON = threading.Event()
BEGUN: list[int] = []
LATE: list[Exception] = []
SEEN: list[float] = []
LOUD: set[str] = set()
THREADS: list[threading.Thread] = []


def here() -> Any:
    invocation = current_invocation.get()
    assert invocation is not None
    return invocation


def many(count: int) -> int:
    for number in range(count + 1):
        here().progress(number, count, f"row {number}")
    return count


async def many_async(count: int) -> int:
    for number in range(count + 1):
        here().progress(number, count, f"row {number}")
        await asyncio.sleep(0)
    return count


def in_threads(count: int) -> int:
    """Report from threads that know nothing of the invocation but its handle."""
    invocation = here()

    def report() -> None:
        for number in range(count):
            invocation.progress(number)

    threads = [threading.Thread(target=report) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    invocation.progress(count)
    return count


def holds() -> None:
    here().progress(1, 2, "half")
    GO_ON.wait()


def fails_once() -> None:
    BEGUN.append(1)
    if len(BEGUN) == 1:
        here().progress(1, 2)
        raise ConnectionError("again")
    GO_ON.wait()


def parks() -> None:
    wf: WorkflowContext = here().task.wf
    here().progress(1, 3, "waiting")
    wf.wait_event("go on")
    here().progress(3, 3)


def reports(done: Any) -> str:
    try:
        here().progress(done)
    except Exception as error:  # noqa: BLE001 - which one is what is looked at
        return f"{type(error).__name__}: {error}"
    return "accepted"


def returns_before_its_thread() -> None:
    """Leave a thread behind that reports after the body has ended."""
    invocation = here()

    def report() -> None:
        GO_ON.wait()
        try:
            invocation.progress(99)
        except Exception as error:  # noqa: BLE001 - which one is what is looked at
            LATE.append(error)

    THREADS.append(threading.Thread(target=report))
    THREADS[-1].start()


async def reports_beside_steps() -> list[str]:
    """Report from asyncio tasks before their first step, in one run and not in the next."""
    wf: WorkflowContext = here().task.wf

    async def told(name: str) -> str:
        BEGUN.append(1)
        return name

    async def one(name: str) -> str:
        if name in LOUD:
            here().progress(1)
        await asyncio.sleep(0.01 if name == "a" else 0)
        return await wf.async_step(name, lambda: told(name))

    both = await asyncio.gather(one("a"), one("b"))
    await wf.async_wait_event("go on")
    return both


def parks_twice() -> None:
    wf: WorkflowContext = here().task.wf
    here().progress(1, 3)
    wf.wait_event("go on")
    here().progress(2, 3)
    wf.wait_event("end")
    SEEN.append(here().progress().done)
    here().progress(3, 3)
