"""Components of different engines work together, chosen by the environment alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from mongo_server import MongoServer
from redis_server import RedisServer

from pynenc import Pynenc
from pynenc.testing import LifeSuite
from pynenc.testing.app_fixtures import MakeApp

_REDIS_CARRIES = {
    "BROKER_CLS": "RedisBroker",
    "ORCHESTRATOR_CLS": "MongoOrchestrator",
    "STATE_BACKEND_CLS": "MongoStateBackend",
    "TRIGGER_CLS": "MongoTrigger",
    "CLIENT_DATA_STORE_CLS": "MongoClientDataStore",
}
_MONGO_CARRIES = {
    "BROKER_CLS": "MongoBroker",
    "ORCHESTRATOR_CLS": "RedisOrchestrator",
    "STATE_BACKEND_CLS": "RedisStateBackend",
    "TRIGGER_CLS": "RedisTrigger",
    "CLIENT_DATA_STORE_CLS": "RedisClientDataStore",
}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Where both servers are, as settings."""
    folders = [tmp_path_factory.mktemp(name) for name in ("redis", "mongo")]
    with RedisServer(folders[0]) as redis, MongoServer(folders[1]) as mongo:
        yield {"REDIS_URL": redis.url, "MONGO_URL": mongo.url}


class TestMixedLives(LifeSuite):
    @pytest.fixture(params=[_REDIS_CARRIES, _MONGO_CARRIES], ids=["broker-on-redis", "broker-on-mongo"])
    def make_app(
        self, request: pytest.FixtureRequest, servers: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> MakeApp:
        own = {"RUNNER_CLS": "ThreadRunner", "MAX_THREADS": "2", "LOGGING_LEVEL": "critical"}
        for name, value in {**request.param, **servers, **own}.items():
            monkeypatch.setenv(f"PYNENC__{name}", value)
        return lambda app_id, **more: Pynenc({"app_id": app_id, **more})
