"""Tasks whose bodies, values and exceptions do whatever they should not."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import dataclasses
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from pynenc import Pynenc

app = Pynenc({"app_id": "poison"})


@app.task
def add(x: int, y: int) -> int:
    return x + y


@app.task
async def add_async(x: int, y: int) -> int:
    await asyncio.sleep(0)
    return x + y


@app.task
def take(value: Any) -> int:
    return 1


@app.task
def act(name: str) -> Any:
    """Do one of the things below."""
    return POISONS[name]()


@app.task
async def act_async(name: str) -> Any:
    """Do one of the things below in the event loop."""
    done = ASYNC_POISONS[name]()
    return await done if asyncio.iscoroutine(done) else done


@app.task(max_retries=1, retry_for=(Exception,))
def act_again(name: str) -> Any:
    """Do one of the things below, twice."""
    return POISONS[name]()


# --- classes -----------------------------------------------------------------------------


class Gate:
    """A value whose methods raise."""

    def __init__(self, way: str) -> None:
        self.way = way

    def to_json(self) -> dict[str, str]:
        if self.way == "to":
            raise SystemExit(4)
        return {"way": self.way}

    @classmethod
    def from_json(cls, data: dict[str, str]) -> Gate:
        if data["way"] == "from":
            raise GeneratorExit
        return cls(data["way"])


@dataclasses.dataclass
class Vanishing:
    """A class that only the writer has."""

    x: int = 1


class BadText(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)

    __repr__ = __str__


class BadReduce(Exception):
    def __reduce__(self) -> Any:
        raise KeyboardInterrupt


class BadInit(Exception):
    def __init__(self, code: int, *, key: str) -> None:
        super().__init__(f"refused with {code}")
        self.code, self.key = code, key


class BadCause(Exception):
    @property
    def __cause__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("no cause")


class BadNotes(Exception):
    @property
    def __notes__(self) -> Any:
        raise GeneratorExit


class LyingMeta(type):
    def __getattribute__(cls, name: str) -> Any:
        if name in ("__qualname__", "__name__", "__module__"):
            raise SystemExit(5)
        return super().__getattribute__(name)


class Lying(Exception, metaclass=LyingMeta):
    pass


class BadDel:
    def __del__(self) -> None:
        raise SystemExit(6)


# --- what bodies do ----------------------------------------------------------------------


def raising(make: Callable[[], BaseException]) -> Callable[[], Any]:
    def act() -> Any:
        raise make()

    return act


def circle() -> BaseException:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    return first


def recurse(depth: int = 0) -> int:
    return recurse(depth + 1) + 1


def deep_value() -> Any:
    value: Any = 1
    for _ in range(5000):
        value = [value]
    return value


def circular_value() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


def log_badly() -> int:
    app.logger.warning("%d and %s", "text")
    app.logger.warning("%s", BadText())
    app.logger.warning("caf\udce9")
    return 1


def fork_and_return() -> int:
    child = os.fork()
    if child == 0:
        return 99  # the child's end is not the invocation's
    os.waitpid(child, 0)
    return 1


def fork_and_raise() -> int:
    child = os.fork()
    if child == 0:
        raise RuntimeError("in the child")
    os.waitpid(child, 0)
    return 1


def leave_thread() -> int:
    threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
    return 1


def read_input() -> int:
    return len(sys.stdin.read()) + 1


def block_signals() -> int:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    return 1


def syntax_error() -> BaseException:
    error = SyntaxError("odd")
    error.text, error.lineno, error.offset = 7, "x", ...  # type: ignore[assignment]
    return error


def many_frames() -> Any:
    sys.setrecursionlimit(20_000)
    try:
        frames(9000)
    finally:
        sys.setrecursionlimit(1000)


def frames(depth: int) -> None:
    if depth == 0:
        raise ValueError("at the bottom")
    frames(depth - 1)


def leave_child() -> int:
    """Leave a child process that outlives the body."""
    if os.fork() == 0:
        time.sleep(20)
        os._exit(0)
    return 1


def leave_pool() -> int:
    concurrent.futures.ThreadPoolExecutor(1).submit(time.sleep, 3600)
    return 1


def leave_exit_handler() -> int:
    atexit.register(time.sleep, 3600)
    return 1


POISONS: dict[str, Callable[[], Any]] = {
    "surrogate in the text": raising(lambda: ValueError("caf\udce9")),
    "surrogate in a note": raising(lambda: _noted(ValueError("x"), "caf\udce9")),
    "NUL in the text": raising(lambda: ValueError("a\x00b")),
    "exit": raising(lambda: SystemExit(7)),
    "exit with an object": raising(lambda: SystemExit(object())),
    "interrupt": raising(KeyboardInterrupt),
    "generator exit": raising(GeneratorExit),
    "cancelled": raising(asyncio.CancelledError),
    "group": raising(lambda: BaseExceptionGroup("g", [SystemExit(1), ValueError(2)])),
    "recursion": recurse,
    "memory": raising(MemoryError),
    "bad text": raising(lambda: BadText("x")),
    "bad reduce": raising(lambda: BadReduce("x")),
    "bad init": raising(lambda: BadInit(403, key="k")),
    "bad cause": raising(lambda: BadCause("x")),
    "bad notes": raising(lambda: BadNotes("x")),
    "lying class": raising(lambda: Lying("x")),
    "circular cause": raising(circle),
    "huge text": raising(lambda: ValueError("x" * 10_000_000)),
    "odd syntax error": raising(syntax_error),
    "many frames": many_frames,
    "lock": threading.Lock,
    "ellipsis": lambda: ...,
    "generic alias": lambda: list[int],
    "surrogate": lambda: "caf\udce9",
    "nan": lambda: float("nan"),
    "deep": deep_value,
    "circular": circular_value,
    "to_json exits": lambda: Gate("to"),
    "from_json exits": lambda: Gate("from"),
    "bad del": lambda: [BadDel(), 1][1],
    "bad logging": log_badly,
    "stdin": read_input,
    "thread": leave_thread,
    "signals": block_signals,
    "pool": leave_pool,
    "exit handler": leave_exit_handler,
}
"""What a body may do in any runner."""

FORKS: dict[str, Callable[[], Any]] = {
    "fork": fork_and_return,
    "fork that raises": fork_and_raise,
    "child": leave_child,
}


def _noted(error: BaseException, note: str) -> BaseException:
    error.add_note(note)
    return error


async def await_cancelled() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


async def cancel_all() -> int:
    for task in asyncio.all_tasks():
        task.cancel()
    await asyncio.sleep(0.01)
    return 1


async def exit_in_child() -> int:
    async def child() -> None:
        raise SystemExit(8)

    task = asyncio.create_task(child())
    await asyncio.sleep(0.01)
    return int(task.done())


async def cancel_itself() -> int:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    return 1


async def leave_executor() -> int:
    asyncio.get_running_loop().run_in_executor(None, time.sleep, 3600)
    return 1


async def leave_stubborn() -> int:
    async def stubborn() -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(1000)

    left.append(asyncio.ensure_future(stubborn()))
    await asyncio.sleep(0)
    return 1


async def leave_generator() -> int:
    async def numbers() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            await asyncio.sleep(1000)

    async for number in numbers():
        return number
    return 0


async def set_factory() -> int:
    def refuse(*arguments: Any, **more: Any) -> Any:
        raise ZeroDivisionError

    loop = asyncio.get_running_loop()
    loop.set_task_factory(refuse)
    loop.call_later(1, loop.set_task_factory, None)
    return 1


left: list[Any] = []
ASYNC_POISONS: dict[str, Callable[[], Any]] = {
    **{name: POISONS[name] for name in ("exit", "interrupt", "cancelled", "bad text", "lock", "surrogate")},
    "awaits something cancelled": await_cancelled,
    "cancels all tasks": cancel_all,
    "exit in a child": exit_in_child,
    "stops the loop": lambda: asyncio.get_running_loop().stop(),
    "cancels itself": cancel_itself,
    "leaves an executor": leave_executor,
    "leaves a stubborn task": leave_stubborn,
    "leaves a generator": leave_generator,
    "sets a task factory": set_factory,
}
"""What a coroutine may do."""

POISONS |= FORKS
