"""Two actors' operations in thousands of orders, on components in memory."""

from __future__ import annotations

import pytest

from pynenc import Pynenc
from pynenc.testing.app_fixtures import MakeApp
from pynenc.testing.interleaving_suite import InterleavingSuite


class TestManyOrders(InterleavingSuite):
    switches = 3
    most_orders = 1_500

    @pytest.fixture
    def make_app(self) -> MakeApp:
        settings = {"runner_cls": "ThreadRunner", "logging_level": "critical"}
        return lambda app_id, **more: Pynenc({"app_id": app_id, **settings, **more})
