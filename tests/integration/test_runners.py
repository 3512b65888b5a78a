"""What single runners do beside what all of them do, which the conformance kit proves."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from types import ModuleType

import pytest
from shop_control import shop_open, wait_for

from pynenc import Pynenc
from pynenc.exceptions import RunnerError
from pynenc.invocation.status import InvocationStatus


def test_a_process_for_each_invocation(shop: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.app.conf.runner_cls = "ProcessRunner"
    with shop_open(shop):
        pids = list(shop.where.parallelize([() for _ in range(5)]).results)
    assert len({*pids, os.getpid()}) == 6


def test_processes_come_and_go_with_the_work(
    shop: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PYNENC__NUM_PROCESSES")
    for name, value in {"MAX_THREADS": "1", "MAX_PROCESSES": "3", "IDLE_TIMEOUT_PROCESS_SEC": "0.5"}.items():
        monkeypatch.setenv(f"PYNENC__{name}", value)
    shop.app.conf.runner_cls = "MultiThreadRunner"
    runner = shop.app.runner
    with shop_open(shop):
        invocations = [shop.touch_and_wait(str(tmp_path)) for _ in range(5)]
        wait_for(tmp_path, "running-*", 3)
        assert len(runner.workers) == 3
        (tmp_path / "go").touch()
        assert len({invocation.result for invocation in invocations}) == 3
        while len(runner.workers) > 1:
            time.sleep(0.01)
        assert shop.add(1, 2).result == 3


def test_bounds_that_contradict_each_other_are_refused(
    shop: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYNENC__MIN_PROCESSES", "3")
    monkeypatch.setenv("PYNENC__MAX_PROCESSES", "2")
    shop.app.conf.runner_cls = "MultiThreadRunner"
    with pytest.raises(RunnerError, match="min_processes=3, which is more than max_processes=2"):
        shop.app.runner.run()


def test_thousands_of_coroutines_run_at_once(shop: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYNENC__NUM_PROCESSES")
    monkeypatch.setenv("PYNENC__MAX_CONCURRENCY", "3000")
    shop.app.conf.runner_cls = "AsyncRunner"
    with shop_open(shop):
        group = shop.meet.parallelize([(2000,) for _ in range(2000)])
        assert set(group.results) == {2000}


def test_context_variables_stay_with_their_invocation(
    shop: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYNENC__NUM_PROCESSES")
    shop.app.conf.runner_cls = "AsyncRunner"
    with shop_open(shop):
        results = shop.remember.parallelize([(number,) for number in range(100)]).results
        assert list(results) == [(number, True) for number in range(100)]


def test_a_coroutine_can_be_awaited_from_outside(shop: ModuleType) -> None:
    app: Pynenc = shop.app

    async def gather() -> list[int]:
        return [await shop.add_async(number, 1).async_result() for number in range(3)]

    with shop_open(shop):
        assert asyncio.run(gather()) == [1, 2, 3]
    assert app.orchestrator.count_states(InvocationStatus.SUCCESS) == 3
