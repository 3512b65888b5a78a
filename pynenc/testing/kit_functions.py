"""Functions that the kit makes tasks of."""

from __future__ import annotations

import time

from pynenc.calls.interfaces import current_invocation
from pynenc.exceptions import InvocationCancelledError, RetryError
from pynenc.interruption import check_interruption


def add(x: int, y: int = 10) -> int:
    """Add two numbers."""
    return x + y


def follow(x: int = 0, y: int = 0) -> tuple[int, int]:
    """Return what a trigger handed over."""
    return x, y


async def add_async(x: int, y: int) -> int:
    """Add two numbers in a coroutine."""
    return x + y


def fail(message: str) -> None:
    """Raise an error."""
    raise ValueError(message)


def succeed_after(retries: int) -> int:
    """Ask for other runs until there were this many; how many there were."""
    invocation = current_invocation.get()
    if invocation is None or invocation.num_retries < retries:
        raise RetryError("not yet")
    return invocation.num_retries


def count_to(number: int) -> int:
    """Count, and report each number as progress."""
    invocation = current_invocation.get()
    if invocation is None:
        raise RuntimeError("only as a task")
    for done in range(number + 1):
        invocation.progress(done, number, f"counting {done}")
    return number


def spread(*values: int, **named: int) -> dict[str, int]:
    """Show what arrives in parameters of every kind."""
    return {"sum": sum(values), **named}


def size_of(data: str, at: int) -> int:
    """Return the length of a shared text, plus a number."""
    return len(data) + at


def fibonacci(number: int) -> int:
    """Return a Fibonacci number, each step a task that waits for two others."""
    if number < 2:
        return number
    invocation = current_invocation.get()
    if invocation is None:
        raise RuntimeError("only as a task")
    task = invocation.task
    first: int = task(number - 1).result
    second: int = task(number - 2).result
    return first + second


def workflow_of() -> tuple[str, str, str | None]:
    """Return which workflow the body runs in."""
    invocation = current_invocation.get()
    if invocation is None:
        raise RuntimeError("only as a task")
    workflow = invocation.workflow
    return workflow.workflow_id, workflow.workflow_type, workflow.parent_id


def spin() -> None:
    """Compute for ever, listening to requests to end."""
    while True:
        check_interruption()
        time.sleep(0.002)


def wait_for_ever() -> None:
    """Wait for an invocation that is not due for a long time."""
    invocation = current_invocation.get()
    if invocation is None:
        raise RuntimeError("only as a task")
    _ = invocation.task.options(delay=3600)().result


def wait_for_oneself() -> None:
    """Wait for the invocation that is running."""
    invocation = current_invocation.get()
    if invocation is None:
        raise RuntimeError("only as a task")
    _ = invocation.result


def wait_for_other(other_id: str) -> None:
    """Wait for an invocation, by its id."""
    invocation = current_invocation.get()
    if invocation is None:
        raise RuntimeError("only as a task")
    _ = invocation.task.app.get_invocation(other_id).result


def branch_out(depth: int, spins: bool) -> None:
    """Start two of oneself, with one less of depth each, and wait for them; the last are not due for long.

    Args:
        depth: How many generations follow.
        spins: Whether it does not wait, but computes for ever.
    """
    invocation = current_invocation.get()
    if invocation is None:
        raise RuntimeError("only as a task")
    again = invocation.task if depth > 1 else invocation.task.options(delay=3600)
    started = [again(depth - 1, False) for _ in range(2 if depth else 0)]
    if spins:
        spin()
    for each in started:
        _ = each.result


def start_one_too_late(asks: bool) -> None:
    """Start one of oneself, have oneself cancelled, start another, and notice.

    Args:
        asks: Whether the cancelling is to reach children.
    """
    invocation = current_invocation.get()
    if invocation is None:
        raise RuntimeError("only as a task")
    later = invocation.task.options(delay=3600)
    later(asks)
    invocation.cancel(children=asks)
    later(asks)
    raise InvocationCancelledError("it is over")
