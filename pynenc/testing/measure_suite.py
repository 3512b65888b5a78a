"""Figures for the report card: round trips and the latency of wake-ups."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pynenc.app import Pynenc
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.claiming import claim
from pynenc.lifecycle.execution import Finished, finish_and_start
from pynenc.storage.base_storage import Storage
from pynenc.storage.drivers import StorageComponent
from pynenc.testing import kit_functions
from pynenc.testing.app_fixtures import AppFixtures
from pynenc.testing.kit_report import MEASURE

_COUNT = 20
_WAKES = 30
_LONG_S = 60.0
_CALLS = ("execute", "take", "find", "count", "blob_put", "blob_get")

Record = Callable[[str, object], None]


@contextmanager
def counting(storages: list[Storage]) -> Iterator[list[str]]:
    """The calls that storages get inside the block."""
    calls: list[str] = []

    def counted(name: str, act: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            calls.append(name)
            return act(*arguments)

        return call

    for storage in storages:
        for name in _CALLS:
            setattr(storage, name, counted(name, getattr(storage, name)))
    try:
        yield calls
    finally:
        for storage in storages:
            for name in _CALLS:
                delattr(storage, name)


class MeasureSuite(AppFixtures):
    """Measures: the cost of an invocation to the storage, and the delay of a wake-up."""

    def test_round_trips_of_a_life(self, app: Pynenc, record_property: Record) -> None:
        stores = (app.broker, app.orchestrator, app.state_backend)
        storages = {id(each.storage): each.storage for each in stores if isinstance(each, StorageComponent)}
        if not storages:
            pytest.skip("the components stand on no storage of the core's kind, so nothing can be counted")
        task = app.task(kit_functions.add)
        task(0, 0)
        app.purge()
        task(0, 0)  # everything that happens once has happened
        claim(app.components, "kit", ["default"], 1, 0)
        with counting(list(storages.values())) as calls:
            for number in range(_COUNT):
                task(number, 1)
            submitting = len(calls)
            claims = claim(app.components, "kit", ["default"], _COUNT, 0)
            claiming = len(calls) - submitting
            started = finish_and_start(app.components, "kit", [], claims).started
            ends = [Finished(each, InvocationStatus.SUCCESS, "1") for each in started]
            before = len(calls)
            finish_and_start(app.components, "kit", ends, [])
            finishing = len(calls) - before
        assert len(started) == _COUNT
        for what, count in (
            ("submit one", submitting / _COUNT),
            (f"claim a batch of {_COUNT}", claiming),
            (f"finish a batch of {_COUNT}", finishing),
        ):
            record_property(MEASURE, (f"round trips, {what}", f"{count:g}"))
        if len(storages) == 1:
            assert (submitting, claiming <= 2, finishing) == (_COUNT, True, 1)

    def test_latency_of_a_wake_up(self, app: Pynenc, record_property: Record) -> None:
        task = app.task(kit_functions.add)
        seen: list[float] = []
        asleep = threading.Semaphore(0)

        def sleeper() -> None:
            for _ in range(_WAKES):
                asleep.release()
                app.broker.ack(app.broker.take(["default"], 1, _LONG_S))
                seen.append(time.perf_counter())

        thread = threading.Thread(target=sleeper)
        thread.start()
        called: list[float] = []
        for number in range(_WAKES):
            asleep.acquire()
            called.append(time.perf_counter())
            task(number, 1)
            while len(seen) <= number:
                time.sleep(0.0005)
        thread.join()
        latencies = [woke - call for woke, call in zip(seen, called, strict=True)]
        figure = f"{statistics.median(latencies) * 1000:.2f} ms"
        record_property(MEASURE, ("median time from a call to its message", figure))
