"""All suites over the broker that `--pynenc-broker` names; everything else is kept in SQLite."""

from __future__ import annotations

from pathlib import Path

import pytest

from pynenc.app import Pynenc
from pynenc.plugins.kinds import ComponentKind
from pynenc.testing import BrokerSuite, CrashSuite, LifeSuite, PlainBrokerSuite
from pynenc.testing.app_fixtures import MakeApp
from pynenc.testing.basics_suite import BasicsSuite
from pynenc.testing.by_alias import OwnFolder, class_of, named


class TestBroker(OwnFolder, BasicsSuite, PlainBrokerSuite, BrokerSuite, LifeSuite, CrashSuite):
    """The broker, the life of an invocation with it, and a crash at every point of that."""

    @pytest.fixture
    def make_app(self, pytestconfig: pytest.Config, tmp_path: Path) -> MakeApp:
        """An app with the broker."""
        name = named(pytestconfig, "broker")
        class_of(ComponentKind.BROKER, name)
        settings = {
            "backend": "sqlite",
            "sqlite_db_path": str(tmp_path / "kit.db"),
            "broker_cls": name,
            "runner_cls": "ThreadRunner",
            "logging_level": "critical",
        }
        runner = {"max_threads": 2}
        return lambda app_id, **more: Pynenc({"app_id": app_id, "runner": runner, **settings, **more})
