"""Counts what an invocation costs its storage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pynenc.invocation.status import InvocationStatus
from pynenc.orchestrator.claiming import claim
from pynenc.orchestrator.execution import Finished, advance

_COUNT = 20


def counted(app: Any, task: Callable[..., Any]) -> dict[str, float]:
    """Round trips (calls of the storage) per invocation at each step of its life.

    The claim takes `_COUNT` at once; `finish` writes the end of one and the start of the next.
    """
    storage = app.broker.storage
    calls = 0
    execute, take = storage.execute, storage.take

    def counting_execute(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        return execute(*arguments)

    def counting_take(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        return take(*arguments)

    app.purge()
    task(0, 0)
    app.purge()
    storage.execute, storage.take = counting_execute, counting_take
    try:
        for number in range(_COUNT):
            task(number, 1)
        submitting, calls = calls, 0
        claims = claim(app.ports, "bench", ["default"], _COUNT, 0)
        claiming, calls = calls, 0
        finished: list[Finished] = []
        for claimed in claims:
            (started,) = advance(app.ports, "bench", finished, [claimed]).started
            finished = [Finished(started, InvocationStatus.SUCCESS, "1")]
        advance(app.ports, "bench", finished, [])
        finishing = calls
    finally:
        del storage.execute, storage.take
        app.purge()
    return {
        "submit": submitting / _COUNT,
        f"claim (batch of {_COUNT})": claiming / _COUNT,
        "start and finish": finishing / _COUNT,
        "whole life": (submitting + claiming + finishing) / _COUNT,
    }
