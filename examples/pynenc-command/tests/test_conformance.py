"""The runner against the conformance kit."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from pynenc.testing import RunnerSuite


class TestCommandRunner(RunnerSuite):
    many = 10

    @pytest.fixture
    def settings(self) -> Mapping[str, str]:
        return {"runner_cls": "CommandRunner", "max_commands": "2"}
