"""Components that implement nothing but the abstract methods keep every promise."""

from __future__ import annotations

import dict_components
import pytest

from pynenc import Pynenc
from pynenc.broker.base_broker import BaseBroker
from pynenc.client_data_store.base_client_data_store import BaseClientDataStore
from pynenc.orchestrator.base_orchestrator import BaseOrchestrator
from pynenc.plugins.component import Component
from pynenc.runner.base_runner import BaseRunner
from pynenc.serializer.base_serializer import BaseSerializer
from pynenc.state_backend.base_state_backend import BaseStateBackend
from pynenc.testing import (
    CancelSuite,
    ConcurrencySuite,
    LifeSuite,
    OrchestratorSuite,
    RetentionSuite,
    StateBackendSuite,
    TriggerStoreSuite,
)
from pynenc.testing.app_fixtures import MakeApp
from pynenc.trigger.base_trigger import BaseTrigger


class TestDictComponents(
    OrchestratorSuite,
    RetentionSuite,
    StateBackendSuite,
    TriggerStoreSuite,
    LifeSuite,
    ConcurrencySuite,
    CancelSuite,
):
    """Every rule is built on the few methods."""

    @pytest.fixture
    def make_app(self) -> MakeApp:
        settings = {
            "orchestrator_cls": "dict_components.DictOrchestrator",
            "state_backend_cls": "dict_components.DictStateBackend",
            "trigger_cls": "dict_components.DictTrigger",
            "runner_cls": "ThreadRunner",
            "max_threads": 2,
            "logging_level": "critical",
        }
        return lambda app_id, **more: Pynenc({"app_id": app_id, **settings, **more})


@pytest.mark.parametrize(
    ("interface", "methods"),
    [
        (BaseBroker, {"push", "take", "ack", "depth", "queues", "purge"}),
        (BaseClientDataStore, {"put", "get", "delete", "purge"}),
        (
            BaseOrchestrator,
            {"change", "read_states", "histories", "find_states", "write", "read", "find", "subscribe"}
            | {"announce", "now", "purge"},
        ),
        (BaseRunner, {"execute"}),
        (BaseSerializer, {"serialize", "deserialize"}),
        (BaseStateBackend, {"write", "read", "find", "purge"}),
        (BaseTrigger, {"write", "read", "find", "subscribe", "now", "purge"}),
    ],
)
def test_an_author_implements_these_methods(interface: type[Component], methods: set[str]) -> None:
    assert interface.__abstractmethods__ == methods


def test_the_lookup_of_a_kind_of_records_has_one_index() -> None:
    for store in (BaseOrchestrator, BaseStateBackend, BaseTrigger):
        for spec in store.records:
            assert len({frozenset(index.by) for index in spec.indexes}) == len(spec.indexes)
    assert dict_components.DictTrigger.__abstractmethods__ == frozenset()
