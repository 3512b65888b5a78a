"""Values, exceptions and exits of every odd kind among ordinary calls: each ends, and nobody else notices."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from mongo_server import MongoServer
from redis_server import RedisServer

APPS = Path(__file__).parents[1] / "integration" / "apps"
RUNNERS = {
    "ThreadRunner": ({"max_threads": "4"}, 2000),
    "AsyncRunner": ({}, 2000),
    "PersistentProcessRunner": ({"num_processes": "2"}, 2000),
    "MultiThreadRunner": ({"min_processes": "2", "max_processes": "2", "max_threads": "2"}, 2000),
    "ProcessRunner": ({"num_processes": "2"}, 10),
}
"""The runners, with their settings, and how many ordinary calls each gets."""

ON_SERVERS = {"runner_cls": "ThreadRunner", "max_threads": "4", "logging_level": "error"}


@contextlib.contextmanager
def runner_process(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "pynenc", "--app", "poison.app", "runner", "start"]
    environment = {**os.environ, "PYTHONPATH": str(APPS)}
    with (folder / "runner.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stderr=log, stdout=log, cwd=folder)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def poisoned(poison: ModuleType) -> list[Callable[[], Any]]:
    """Return one call for each kind of poison."""
    calls: list[Callable[[], Any]] = [lambda name=name: poison.act(name) for name in poison.POISONS]
    calls += [lambda name=name: poison.act_again(name) for name in ("bad text", "surrogate in the text")]
    calls += [lambda name=name: poison.act_async(name) for name in poison.ASYNC_POISONS]
    calls += [lambda: poison.take(poison.Gate("from")), lambda: poison.take(poison.Vanishing())]
    return calls


@pytest.mark.timeout(300)
@pytest.mark.parametrize("runner", RUNNERS)
def test_poison_among_ordinary_calls(
    runner: str, load_app: Callable[..., ModuleType], tmp_path: Path
) -> None:
    settings, count = RUNNERS[runner]
    poison = load_app("poison", runner_cls=runner, logging_level="error", **settings)
    check(poison, count, tmp_path)


@pytest.mark.timeout(300)
def test_poison_on_redis(load_app: Callable[..., ModuleType], tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        check(load_app("poison", backend="redis", redis_url=server.url, **ON_SERVERS), 500, tmp_path)


@pytest.mark.timeout(300)
def test_poison_on_mongo(load_app: Callable[..., ModuleType], tmp_path: Path) -> None:
    with MongoServer(tmp_path) as server:
        check(load_app("poison", backend="mongo", mongo_url=server.url, **ON_SERVERS), 500, tmp_path)


def check(poison: ModuleType, count: int, folder: Path) -> None:
    """Mix one call of each kind of poison into ordinary calls: these are right, and the runner lives."""
    bad: list[Any] = []
    ordinary: list[Any] = []
    calls = poisoned(poison)
    if count < len(calls):  # each takes a process of its own
        calls = calls[::3]
    for number in range(count):
        if calls and number % max(1, count // len(calls)) == 0:
            bad.append(calls.pop()())
        ordinary.append((poison.add_async if number % 3 == 0 else poison.add)(number, 1))
    bad += [call() for call in calls]
    with runner_process(folder) as process:
        try:
            assert [call.wait(240) for call in ordinary] == [number + 1 for number in range(count)]
            for call in bad:
                error = ended(call)
                assert call.status.is_final(), call.kwargs
                assert error is None or isinstance(error, Exception)
            assert [poison.add(number, 1).wait(60) for number in range(20)] == list(range(1, 21))
            assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            assert process.wait(40) == 0
        except BaseException:
            print((folder / "runner.log").read_text()[-5000:])
            raise


def ended(call: Any) -> Exception | None:
    """Return the exception of a call, None if it has succeeded with a value that can be read."""
    try:
        call.wait(60)
    except TimeoutError:
        raise
    except Exception as error:  # noqa: BLE001 - poison is of any kind
        return error
    return None
