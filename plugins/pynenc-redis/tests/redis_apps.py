"""Apps and storages on the test's Redis; at the top level, so that other processes find them."""

from __future__ import annotations

from typing import Any

from pynenc_redis.settings import ConfigRedis
from pynenc_redis.storage import RedisStorage

from pynenc import Pynenc
from pynenc.storage.base_storage import Storage


def make_app(url: str, app_id: str = "faults", **settings: Any) -> Pynenc:
    """An app with all components on a Redis, and a runner of two threads."""
    return Pynenc(
        {
            "app_id": app_id,
            "backend": "redis",
            "redis_url": url,
            "runner_cls": "ThreadRunner",
            "max_threads": 2,
            "logging_level": "critical",
            **settings,
        }
    )


def redis_storage(app_id: str, url: str) -> Storage:
    """A storage on a Redis."""
    return RedisStorage(app_id, ConfigRedis(redis_url=url))
