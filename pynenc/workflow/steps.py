"""Attempts of a step: again after an error, and no longer than its timeout."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from pynenc.exceptions import StepTimeoutError
from pynenc.interruption import current_interruption
from pynenc.lifecycle.surroundings import enter_step
from pynenc.workflow.run import inside_step

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Attempts:
    """The tries of a step: how many, and how long each may take.

    Attributes:
        name: Of the step.
        retries: How often it is tried again.
        retry_for: After which exceptions.
        retry_delay: Seconds before it is tried again, doubled each time.
        timeout: Seconds that one attempt may take, or None.
    """

    name: str
    retries: int = 0
    retry_for: tuple[type[Exception], ...] = (Exception,)
    retry_delay: float = 0.0
    timeout: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"a step needs a name, which is a text that is not empty, not {self.name!r}")
        if self.retries < 0 or self.retry_delay < 0:
            raise ValueError(f"step '{self.name}': retries and retry_delay must not be negative")
        if self.timeout is not None and self.timeout <= 0:
            raise ValueError(f"step '{self.name}': a timeout must be more than nothing")

    def run(self, function: Callable[[], R]) -> R:
        """Call a function."""
        around = enter_step(self.name)
        if around is None:
            return self._run(function)
        try:
            value = self._run(function)
        except BaseException as error:
            around.leave(error)
            raise
        around.leave()
        return value

    def _run(self, function: Callable[[], R]) -> R:
        pause = _Pause(self.retry_delay)
        for _ in range(self.retries):
            try:
                return self._once(function)
            except self.retry_for:
                pause.take()
        return self._once(function)

    def _once(self, function: Callable[[], R]) -> R:
        token = inside_step.set(self.name)
        try:
            return function() if self.timeout is None else self._in_time(function, self.timeout)
        finally:
            inside_step.reset(token)

    def _in_time(self, function: Callable[[], R], timeout: float) -> R:
        """Call in a thread of its own, which is left alone when the time is over."""
        outcome: list[R] = []
        failure: list[BaseException] = []

        def act() -> None:
            try:
                outcome.append(function())
            except BaseException as error:  # noqa: BLE001 - raised again in the body
                failure.append(error)

        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(act,), name="pynenc-step", daemon=True)
        thread.start()
        thread.join(timeout)
        if failure:
            raise failure[0]
        if not outcome:
            raise self._too_late(timeout)
        return outcome[0]

    async def run_async(self, function: Callable[[], Awaitable[R]]) -> R:
        """Await what a function gives."""
        around = enter_step(self.name)
        if around is None:
            return await self._run_async(function)
        try:
            value = await self._run_async(function)
        except BaseException as error:
            around.leave(error)
            raise
        around.leave()
        return value

    async def _run_async(self, function: Callable[[], Awaitable[R]]) -> R:
        delay = self.retry_delay
        for _ in range(self.retries):
            try:
                return await self._once_async(function)
            except self.retry_for:
                await asyncio.sleep(delay)
                delay *= 2
        return await self._once_async(function)

    async def _once_async(self, function: Callable[[], Awaitable[R]]) -> R:
        token = inside_step.set(self.name)
        try:
            if self.timeout is None:
                return await function()
            try:
                return await asyncio.wait_for(_awaited(function), self.timeout)
            except TimeoutError as error:
                if isinstance(error, StepTimeoutError):
                    raise
                raise self._too_late(self.timeout) from error
        finally:
            inside_step.reset(token)

    def _too_late(self, timeout: float) -> StepTimeoutError:
        return StepTimeoutError(f"step '{self.name}' took longer than its timeout of {timeout:g} s")


async def _awaited(function: Callable[[], Awaitable[R]]) -> R:
    return await function()


class _Pause:
    """Pauses that grow, and end when the body is asked to end."""

    def __init__(self, delay: float) -> None:
        self._delay = delay

    def take(self) -> None:
        """Wait."""
        interruption = current_interruption.get()
        over = threading.Event()
        if interruption is not None:
            interruption.check()
            with interruption.waking(over.set):
                over.wait(self._delay)
            interruption.check()
        else:
            over.wait(self._delay)
        self._delay *= 2
