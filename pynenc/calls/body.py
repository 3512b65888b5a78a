"""Running the function of a task."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import threading
from collections.abc import Callable, Coroutine
from typing import Any, cast

from pynenc.calls.interfaces import BaseTask
from pynenc.context import body_task
from pynenc.interruption import Interruption, current_interruption
from pynenc.types import Params, Result

_LEFTOVERS_S = 1.0


def run_function(task: BaseTask[Params, Result], arguments: dict[str, Any]) -> Result:
    """Call the function of a task and give its result; a coroutine is run to its end."""
    returned = call_function(task, arguments)
    if inspect.iscoroutine(returned):
        return cast(Result, run_coroutine(returned))
    return cast(Result, returned)


def call_function(task: BaseTask[Params, Result], arguments: dict[str, Any]) -> Any:
    """Call the function of a task with bound arguments; return its result, or its coroutine."""
    if task.binder.is_simple:
        return cast("Callable[..., Any]", task.func)(**arguments)
    args, kwargs = task.binder.call_with(arguments)
    return task.func(*args, **kwargs)


def run_coroutine(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end, also where an event loop runs in this thread already."""
    coroutine = _as_body(coroutine)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _run_to_end(coroutine)
    outcome: list[Any] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(_run_to_end(coroutine))
        except BaseException as error:  # noqa: BLE001 - raised again in the calling thread
            failure.append(error)

    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(run,), name="pynenc-coroutine")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


def _run_to_end(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine like `asyncio.run`, but wait only a moment for what it leaves behind."""
    loop = asyncio.new_event_loop()
    interruption = current_interruption.get() or Interruption()
    try:
        asyncio.set_event_loop(loop)
        task = loop.create_task(coroutine)

        def stop() -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed at this moment
                loop.call_soon_threadsafe(task.cancel)

        with contextlib.nullcontext() if interruption.is_cooperative else interruption.waking(stop):
            return loop.run_until_complete(task)
    except asyncio.CancelledError:
        if interruption.error is not None and not interruption.is_cooperative:
            raise interruption.error from None
        raise
    finally:
        with contextlib.suppress(Exception):
            loop.run_until_complete(_clear_up(loop))
        asyncio.set_event_loop(None)
        loop.close()


async def _clear_up(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel the tasks and close the generators that a body has left in its loop."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=_LEFTOVERS_S)
    await asyncio.wait_for(loop.shutdown_asyncgens(), _LEFTOVERS_S)


async def _as_body(coroutine: Coroutine[Any, Any, Any]) -> Any:
    body_task.set(asyncio.current_task())
    return await coroutine
