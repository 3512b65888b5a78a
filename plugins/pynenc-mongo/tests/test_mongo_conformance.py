"""The plugin keeps every promise of the storage port and of the components, on real servers."""

from __future__ import annotations

from functools import partial

import pytest
from mongo_apps import make_mongo_app, mongo_storage

from pynenc.testing import (
    CrashesSuite,
    CrashSuite,
    EverydaySuite,
    InterleavingSuite,
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
