"""The plugin keeps every promise of the storage port and of the components, on a real server."""

from __future__ import annotations

from functools import partial

import pytest
from redis_apps import make_app, redis_storage

from pynenc.testing import ComponentSuite, StorageSuite
from pynenc.testing.app_fixtures import MakeApp
from pynenc.testing.storage_fixtures import MakeStorage


class TestRedisStorage(StorageSuite):
    @pytest.fixture
    def make_storage(self, redis_url: str) -> MakeStorage:
        return partial(redis_storage, url=redis_url)


class TestRedisComponents(ComponentSuite):
    @pytest.fixture
    def make_app(self, redis_url: str) -> MakeApp:
        return partial(make_app, redis_url)
