"""The plugin keeps every promise of the storage port and of the components, on a real server."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from pynenc_redis.settings import ConfigRedis
from pynenc_redis.storage import RedisStorage

from pynenc import Pynenc
from pynenc.storage.base_storage import Storage
from pynenc.testing import ComponentSuite, StorageSuite
from pynenc.testing.app_fixtures import MakeApp
from pynenc.testing.storage_fixtures import MakeStorage


def redis_storage(app_id: str, url: str) -> Storage:
    """At the top level, so that other processes find it."""
    return RedisStorage(app_id, ConfigRedis(redis_url=url))


class TestRedisStorage(StorageSuite):
    @pytest.fixture
    def make_storage(self, redis_url: str) -> MakeStorage:
        return partial(redis_storage, url=redis_url)


class TestRedisComponents(ComponentSuite):
    @pytest.fixture
    def make_app(self, redis_url: str) -> MakeApp:
        settings: dict[str, Any] = {
            "backend": "redis",
            "redis_url": redis_url,
            "runner_cls": "ThreadRunner",
            "max_threads": 2,
            "logging_level": "critical",
        }
        return lambda app_id, **more: Pynenc({"app_id": app_id, **settings, **more})
