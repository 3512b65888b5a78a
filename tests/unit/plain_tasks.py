"""Functions that unit tests make tasks of."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from typing import Any

from pynenc import RetryError
from pynenc.calls.interfaces import current_invocation


def add(x: int, y: int = 10) -> int:
    """Add two numbers."""
    return x + y


async def add_async(x: int, y: int) -> int:
    await asyncio.sleep(0)
    return x + y


def positional(x: int, /, *rest: int, key: int = 0, **more: int) -> tuple[Any, ...]:
    return (x, rest, key, more)


def fail(message: str) -> None:
    raise ValueError(message)


def fail_until(retries: int) -> int:
    invocation = current_invocation.get()
    assert invocation is not None
    if invocation.num_retries < retries:
        raise RetryError("again")
    return invocation.num_retries


def numbers_up_to(limit: int) -> list[int]:
    """Call another task of the same app."""
    invocation = current_invocation.get()
    assert invocation is not None
    app = invocation.task.app
    task = next(task for task in app.tasks.values() if task.func is add)
    return list(task.parallelize([(each, 0) for each in range(limit)]).results)


def repeat(text: str, times: int) -> str:
    return text * times


async def repeat_async(text: str, times: int) -> str:
    return text * times


def wait_for_add(x: int) -> int:
    """Wait for another task of the same app."""
    invocation = current_invocation.get()
    assert invocation is not None
    tasks = invocation.task.app.tasks.values()
    other = next(task for task in tasks if task.func is add)
    return int(other(x, x).result)


class Holder:
    def method(self) -> None:
        """No function at the top level."""


gate = threading.Event()
calls: dict[int, Any] = {}


def pass_gate(number: int, blocked: int) -> int:
    """Return at once, but for one number wait until the gate is opened."""
    if number == blocked:
        assert gate.wait(60)
    return number


def meet(number: int) -> int:
    """Number 0 waits for the result of number 1, which was called together with it."""
    if number == 0:
        while 1 not in calls:
            time.sleep(0.001)
        return int(calls[1].result)
    return number


def echo(value: Any) -> Any:
    """Give back what it gets."""
    return value


LOGGED: list[Any] = []


def log(value: Any) -> None:
    """Note what it gets, in this process."""
    LOGGED.append(value)


def nothing() -> None:
    """Do nothing."""


def echo_or_fail(value: Any) -> Any:
    """Give back what it gets; a text is raised."""
    if isinstance(value, str):
        raise ValueError(value)
    return value


def remember(key: str, value: Any) -> None:
    """Set a value that the workflow shares."""
    invocation = current_invocation.get()
    assert invocation is not None
    invocation.task.wf.set_data(key, value)  # type: ignore[attr-defined]


def raise_it(error: BaseException | None) -> None:
    """Raise what it gets."""
    if error is not None:
        raise error


def fork(code: int) -> int:
    """Return the exit code of a child that has left the body with it."""
    child = os.fork()
    if child == 0:
        raise SystemExit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def surroundings() -> list[Any]:
    """Return the directory and the masks of the thread that runs this."""
    mask = os.umask(0)
    os.umask(mask)
    return [os.getcwd(), mask, sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, ())))]


def change_surroundings(folder: str, is_removed: bool) -> None:
    os.chdir(folder)
    os.umask(0)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    if is_removed:
        os.rmdir(folder)


class Opaque:
    """An object that no serializer would write without being told how."""

    def __init__(self, secret: int) -> None:
        self.secret = secret

    def __reduce__(self) -> Any:
        raise TypeError("not without a converter")


def wait_for_go() -> str:
    invocation: Any = current_invocation.get()
    invocation.task.wf.wait_event("go")
    return "gone"


async def sleep_for_ever() -> None:
    await asyncio.sleep(3600)


async def await_for_ever() -> None:
    invocation: Any = current_invocation.get()
    await invocation.task.app.find_task("plain_tasks.sleep_for_ever")().async_result()


other_task: Any = None


def call_other(x: int, y: int) -> int:
    """Wait for a task of another app."""
    return int(other_task(x, y).result)
