"""The plugin against the conformance kit, on a real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from pynenc import Pynenc
from pynenc.testing import CrashSuite, LifeSuite, PlainBrokerSuite
from pynenc.testing.app_fixtures import MakeApp


class TestRabbitMQ(PlainBrokerSuite, LifeSuite, CrashSuite):
    @pytest.fixture
    def make_app(self, rabbitmq_url: str, tmp_path: Path) -> MakeApp:
        settings = {
            "backend": "sqlite",
            "sqlite_db_path": str(tmp_path / "kit.db"),
            "broker_cls": "RabbitMQBroker",
            "rabbitmq_url": rabbitmq_url,
            "runner_cls": "ThreadRunner",
            "logging_level": "critical",
        }
        return lambda app_id, **more: Pynenc(
            {"app_id": app_id, "runner": {"max_threads": 2}, **settings, **more}
        )
