"""Brokers that keep little, against the kit: the core makes good what they lack."""

from __future__ import annotations

import pytest

from pynenc import Pynenc
from pynenc.testing import CrashSuite, LifeSuite, PlainBrokerSuite
from pynenc.testing.app_fixtures import MakeApp


def maker(broker: str) -> MakeApp:
    settings = {"broker_cls": f"plain_brokers.{broker}", "runner_cls": "ThreadRunner"}
    settings["logging_level"] = "critical"
    return lambda app_id, **more: Pynenc({"app_id": app_id, "runner": {"max_threads": 2}, **settings, **more})


class TestDeque(LifeSuite, CrashSuite):
    @pytest.fixture
    def make_app(self) -> MakeApp:
        return maker("DequeBroker")


class TestDequeAlone(PlainBrokerSuite):
    """It is no server: another object, or another process, sees nothing of it."""

    test_who_waits_leaves_what_it_does_not_take = None
    test_a_fork_does_not_use_the_connections_of_its_parent = None

    @pytest.fixture
    def make_app(self) -> MakeApp:
        return maker("DequeBroker")
