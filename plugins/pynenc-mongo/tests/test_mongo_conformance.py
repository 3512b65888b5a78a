"""The plugin keeps every promise of the storage port and of the components, on real servers."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest
from mongo_apps import make_mongo_app, mongo_storage
from mongo_server import MongoServer
from pymongo import MongoClient

from pynenc.storage.base_storage import Storage
from pynenc.testing import (
    CrashesSuite,
    CrashSuite,
    Engine,
    EverydaySuite,
    InterleavingSuite,
    OutageSuite,
    StorageSuite,
    TriggerCrashSuite,
    WorkflowCrashSuite,
)
from pynenc.testing.app_fixtures import MakeApp
from pynenc.testing.storage_fixtures import MakeStorage


class TestMongoStorage(StorageSuite):
    @pytest.fixture
    def make_storage(self, mongo_url: str) -> MakeStorage:
        return partial(mongo_storage, url=mongo_url)

    @pytest.fixture
    def newer_layout(self, mongo_url: str) -> Callable[[Storage], None]:
        def mark(storage: Storage) -> None:
            client: MongoClient[dict[str, object]] = MongoClient(mongo_url)
            found = 0
            for name in client.list_database_names():
                app = quote(storage.app_id, safe="")
                change = {"$set": {"layout": 99}}
                found += client[name]["pynenc_meta"].update_many({"_id": app}, change).matched_count
            client.close()
            assert found == 1

        return mark


class TestMongoComponents(EverydaySuite, CrashSuite, TriggerCrashSuite, InterleavingSuite):
    @pytest.fixture
    def make_app(self, mongo_url: str) -> MakeApp:
        return partial(make_mongo_app, mongo_url)


@pytest.mark.thorough
class TestMongoWorkflowCrashes(WorkflowCrashSuite):
    @pytest.fixture
    def make_app(self, mongo_url: str) -> MakeApp:
        return partial(make_mongo_app, mongo_url)


class TestReplicaSetStorage(StorageSuite):
    @pytest.fixture
    def make_storage(self, replica_set_url: str) -> MakeStorage:
        return partial(mongo_storage, url=replica_set_url)


class TestReplicaSetComponents(EverydaySuite):
    @pytest.fixture
    def make_app(self, replica_set_url: str) -> MakeApp:
        return partial(make_mongo_app, replica_set_url)


@pytest.mark.thorough
class TestReplicaSetCrashes(CrashesSuite):
    @pytest.fixture
    def make_app(self, replica_set_url: str) -> MakeApp:
        return partial(make_mongo_app, replica_set_url)


class StoppedAndStarted:
    """A server that is killed and started again over the same files."""

    def __init__(self, folder: Path) -> None:
        self.server = MongoServer(folder)
        self.server.start()

    def make_storage(self, app_id: str) -> Storage:
        return mongo_storage(app_id, url=self.server.url)

    def stop(self) -> None:
        self.server.stop()

    def start(self) -> None:
        self.server.start()

    def pause(self) -> None:
        assert self.server.process is not None
        self.server.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.server.process is not None
        self.server.process.send_signal(signal.SIGCONT)


@pytest.mark.timeout(240)
class TestMongoOutages(OutageSuite):
    @pytest.fixture
    def engine(self, tmp_path: Path) -> Iterator[Engine]:
        engine = StoppedAndStarted(tmp_path)
        yield engine
        engine.server.stop()
