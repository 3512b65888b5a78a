"""The plugin keeps every promise of the storage port and of the components, on a real server."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import redis
from redis_apps import make_app, redis_storage
from redis_server import RedisServer

from pynenc.storage.base_storage import Storage
from pynenc.testing import ComponentSuite, Engine, OutageSuite, StorageSuite
from pynenc.testing.app_fixtures import MakeApp
from pynenc.testing.storage_fixtures import MakeStorage


class TestRedisStorage(StorageSuite):
    @pytest.fixture
    def make_storage(self, redis_url: str) -> MakeStorage:
        return partial(redis_storage, url=redis_url)

    @pytest.fixture
    def newer_layout(self, redis_url: str) -> Callable[[Storage], None]:
        def mark(storage: Storage) -> None:
            with redis.Redis.from_url(redis_url) as client:
                client.set(f"pynenc:{{{storage.app_id}}}:layout", 99)

        return mark


class TestRedisComponents(ComponentSuite):
    @pytest.fixture
    def make_app(self, redis_url: str) -> MakeApp:
        return partial(make_app, redis_url)


class StoppedAndStarted:
    """A server that keeps what it has confirmed."""

    def __init__(self, folder: Path) -> None:
        self.server = RedisServer(folder, appendonly="yes", appendfsync="always")
        self.server.start()

    def make_storage(self, app_id: str) -> Storage:
        return redis_storage(app_id, url=self.server.url)

    def stop(self) -> None:
        self.server.stop(signal.SIGKILL)

    def start(self) -> None:
        self.server.start()

    def pause(self) -> None:
        assert self.server.process is not None
        self.server.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.server.process is not None
        self.server.process.send_signal(signal.SIGCONT)


class TestRedisOutages(OutageSuite):
    @pytest.fixture
    def engine(self, tmp_path: Path) -> Iterator[Engine]:
        engine = StoppedAndStarted(tmp_path)
        yield engine
        engine.server.stop()
