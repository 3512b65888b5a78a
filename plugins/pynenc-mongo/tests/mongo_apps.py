"""Apps and storages on the test's MongoDB; at the top level, so that other processes find them."""

from __future__ import annotations

from typing import Any

from pynenc_mongo.settings import ConfigMongo
from pynenc_mongo.storage import MongoStorage

from pynenc import Pynenc
from pynenc.storage.base_storage import Storage


def make_mongo_app(url: str, app_id: str = "faults", **settings: Any) -> Pynenc:
    """An app with all components on a MongoDB, and a runner of two threads."""
    return Pynenc(
        {
            "app_id": app_id,
            "backend": "mongo",
            "mongo_url": url,
            "runner_cls": "ThreadRunner",
            "max_threads": 2,
            "logging_level": "critical",
            **settings,
        }
    )


def mongo_storage(app_id: str, url: str) -> Storage:
    """A storage on a MongoDB."""
    return MongoStorage(app_id, ConfigMongo(mongo_url=url))
