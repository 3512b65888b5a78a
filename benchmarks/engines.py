"""The servers that our storages need, from the tests of the plugins."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_PLUGINS = Path(__file__).parents[1] / "plugins"
_CHECKS = {"hello", "ping", "isMaster", "ismaster", "endSessions", "getMore", "insert"}
"""What a client sends beside the work: signs of life, and notifications, which nobody waits for."""


@contextmanager
def engine(name: str, folder: Path) -> Iterator[Callable[[], int] | None]:
    """Start what an engine needs and set where it is; gives a count of its requests, where there is one."""
    if name == "redis":
        sys.path.insert(0, str(_PLUGINS / "pynenc-redis" / "tests"))
        from redis_server import RedisServer  # noqa: PLC0415 - of the plugin's tests

        with RedisServer(folder) as redis:
            os.environ["PYNENC__REDIS_URL"] = redis.url
            yield None
    elif name.startswith("mongo"):
        sys.path.insert(0, str(_PLUGINS / "pynenc-mongo" / "tests"))
        from mongo_server import MongoServer, ReplicaSet  # noqa: PLC0415 - likewise

        with (ReplicaSet if name == "mongo-set" else MongoServer)(folder) as mongo:
            os.environ["PYNENC__MONGO_URL"] = mongo.url
            yield _mongo_requests()
    else:
        yield None


def _mongo_requests() -> Callable[[], int]:
    """How many requests clients that are made from now on have sent."""
    from pymongo import monitoring  # noqa: PLC0415 - only where it is installed

    class Counter(monitoring.CommandListener):
        count = 0

        def started(self, event: monitoring.CommandStartedEvent) -> None:
            self.count += event.command_name not in _CHECKS

        def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
            """Counted already."""

        def failed(self, event: monitoring.CommandFailedEvent) -> None:
            """Counted already."""

    counter = Counter()
    monitoring.register(counter)
    return lambda: counter.count


@contextmanager
def our_runner(module: str) -> Iterator[int]:
    """A runner of a module's app in a process of its own; its process id."""
    process = subprocess.Popen([sys.executable, "-c", f"from {module} import app; app.runner.run()"])
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def select(name: str, folder: Path) -> None:
    """Have the next app use an engine, with a runner of two threads."""
    os.environ["PYNENC__BACKEND"] = name.partition("-")[0]
    os.environ["PYNENC__SQLITE_DB_PATH"] = str(folder / "pynenc.db")
    os.environ["PYNENC__LOGGING_LEVEL"] = "error"
    os.environ["PYNENC__RUNNER_CLS"] = "ThreadRunner"
    os.environ["PYNENC__MAX_THREADS"] = "2"


def measure_each(
    module: str, about: str | None, counts: dict[str, int], measure: Callable[..., dict[str, float]]
) -> None:
    """A program that measures our engines, each in a process of its own, and prints a line for each.

    Args:
        module: Import path of the program.
        about: What it says of itself.
        counts: Its options, all numbers, and their defaults.
        measure: Gets the name of an engine and the numbers; gives what is to be printed.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--engines", nargs="+", default=["sqlite", "redis", "mongo"], help="which to measure")
    parser.add_argument("--only", help="measure one, here, and print JSON")
    for option, default in counts.items():
        parser.add_argument(f"--{option}", type=int, default=default)
    options = parser.parse_args()
    numbers = {option: getattr(options, option) for option in counts}
    if options.only:
        print(json.dumps(measure(options.only, **numbers)))
        return
    more = [text for option, number in numbers.items() for text in (f"--{option}", str(number))]
    for name in options.engines:
        command = [sys.executable, "-m", module, "--only", name, *more]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        figures = json.loads(output.splitlines()[-1])
        print(f"{name:<8}", ", ".join(f"{what} {value:,.1f}" for what, value in figures.items()))
