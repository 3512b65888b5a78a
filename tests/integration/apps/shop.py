"""The app of the tests with several processes; its settings come from the environment."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from contextvars import ContextVar
from pathlib import Path

from pynenc import Pynenc

app = Pynenc({"app_id": "shop"})


@app.task
def add(x: int, y: int) -> int:
    return x + y


@app.task
def where() -> int:
    """The process that runs it."""
    return os.getpid()


@app.task
def touch_and_wait(folder: str) -> int:
    """Tell that it runs, then wait until a file says that it may end; the process that ran it."""
    Path(folder, f"running-{os.getpid()}").touch()
    while not Path(folder, "go").exists():
        time.sleep(0.01)
    return os.getpid()


@app.task
def fibonacci(number: int) -> int:
    if number < 2:
        return number
    return fibonacci(number - 1).result + fibonacci(number - 2).result


@app.task
def give_lock() -> object:
    """A result that cannot be serialized."""
    return threading.Lock()


@app.task
def leave() -> None:
    """End the worker process without a word."""
    os._exit(3)


@app.task
def kill_parent() -> bool:
    """Kill what has started the worker process, which is not the runner."""
    assert b"fork_server" in Path(f"/proc/{os.getppid()}/cmdline").read_bytes()
    os.kill(os.getppid(), signal.SIGKILL)
    return True


@app.task(timeout=0.1, timeout_grace=0.1)
def listen_to_nobody(folder: str) -> None:
    """Ignore every request to end."""
    Path(folder, f"running-{os.getpid()}").touch()
    while True:
        time.sleep(0.01)


@app.task
async def add_async(x: int, y: int) -> int:
    await asyncio.sleep(0)
    return x + y


@app.task
async def divide_async(x: int, y: int) -> float:
    return x / y


@app.task
async def fibonacci_async(number: int) -> int:
    if number < 2:
        return number
    first = await fibonacci_async(number - 1).async_result()
    second = await fibonacci_async(number - 2).async_result()
    return first + second


_present = 0
_complete = asyncio.Event()


@app.task
async def meet(count: int) -> int:
    """Wait until as many run in this process."""
    global _present
    _present += 1
    if _present == count:
        _complete.set()
    await _complete.wait()
    return _present


_number: ContextVar[int] = ContextVar("number")


@app.task
async def remember(number: int) -> tuple[int, bool]:
    """Whether a context variable and the invocation are still one's own after a while."""
    _number.set(number)
    await asyncio.sleep(0.01)
    return _number.get(), remember.invocation.arguments["number"] == number


@app.task
def add_slowly(x: int, y: int) -> int:
    time.sleep(0.005)
    return x + y
