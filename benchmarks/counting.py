"""Counts what an invocation costs its storage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.claiming import claim
from pynenc.lifecycle.execution import Finished, finish_and_start

_COUNT = 20


def counted(
    app: Any, task: Callable[..., Any], requests: Callable[[], int] | None = None
) -> dict[str, float]:
    """Round trips per invocation at each step of its life.

    The claim takes `_COUNT` at once; `finish` writes the end of one and the start of the next.

    Args:
        app: An app whose components share a storage.
        task: One of its tasks, which takes two numbers.
        requests: How many requests were sent so far; without it the calls of the storage count.
    """
    app.purge()
    task(0, 0)
    app.purge()
    with _calls(app.broker.storage) as calls:
        sent = requests or calls
        marks = [sent()]
        for number in range(_COUNT):
            task(number, 1)
        marks.append(sent())
        claims = claim(app.components, "bench", ["default"], _COUNT, 0)
        marks.append(sent())
        finished: list[Finished] = []
        for claimed in claims:
            (started,) = finish_and_start(app.components, "bench", finished, [claimed]).started
            finished = [Finished(started, InvocationStatus.SUCCESS, "1")]
        finish_and_start(app.components, "bench", finished, [])
        marks.append(sent())
    app.purge()
    steps = ("submit", f"claim (batch of {_COUNT})", "start and finish")
    each = [(after - before) / _COUNT for before, after in pairwise(marks)]
    return {**dict(zip(steps, each, strict=True)), "whole life": sum(each)}


@contextmanager
def _calls(storage: Any) -> Iterator[Callable[[], int]]:
    """How often the storage was called so far."""
    count = 0
    execute, take = storage.execute, storage.take

    def counting_execute(*arguments: Any) -> Any:
        nonlocal count
        count += 1
        return execute(*arguments)

    def counting_take(*arguments: Any) -> Any:
        nonlocal count
        count += 1
        return take(*arguments)

    storage.execute, storage.take = counting_execute, counting_take
    try:
        yield lambda: count
    finally:
        del storage.execute, storage.take
