"""The servers that our storages need, from the tests of the plugins."""

from __future__ import annotations

import os
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
