"""The plugin against the conformance kit, on a real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from pynenc import Pynenc
from pynenc.testing import BasicsSuite, CrashSuite, LifeSuite, PlainBrokerSuite
from pynenc.testing.app_fixtures import MakeApp


def maker(url: str, folder: Path, queue_type: str = "classic") -> MakeApp:
    settings = {
        "backend": "sqlite",
        "sqlite_db_path": str(folder / "kit.db"),
        "broker_cls": "RabbitMQBroker",
        "rabbitmq_url": url,
        "rabbitmq_queue_type": queue_type,
        "runner_cls": "ThreadRunner",
        "logging_level": "critical",
    }
    return lambda app_id, **more: Pynenc({"app_id": app_id, "runner": {"max_threads": 2}, **settings, **more})


class TestRabbitMQ(BasicsSuite, PlainBrokerSuite, LifeSuite, CrashSuite):
    @pytest.fixture
    def make_app(self, rabbitmq_url: str, tmp_path: Path) -> MakeApp:
        return maker(rabbitmq_url, tmp_path)


class TestQuorumQueues(PlainBrokerSuite):
    @pytest.fixture
    def make_app(self, rabbitmq_url: str, tmp_path: Path) -> MakeApp:
        return maker(rabbitmq_url, tmp_path, "quorum")
