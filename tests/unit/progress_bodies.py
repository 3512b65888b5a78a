"""Bodies that report how far they have come."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from pynenc.calls.interfaces import current_invocation
from pynenc.workflow.context import WorkflowContext

GO_ON = threading.Event()
BEGUN: list[int] = []


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
