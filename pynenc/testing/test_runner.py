"""All suites over the runner that `--pynenc-runner` names, with its settings from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from pynenc.app import Pynenc
from pynenc.plugins.kinds import ComponentKind
from pynenc.testing import RunnerSuite
from pynenc.testing.app_fixtures import MakeApp
from pynenc.testing.basics_suite import BasicsSuite
from pynenc.testing.by_alias import OwnFolder, class_of, named


class TestBasics(OwnFolder, BasicsSuite):
    """The runner, before it runs."""

    @pytest.fixture
    def make_app(self, pytestconfig: pytest.Config, tmp_path: Path) -> MakeApp:
        """An app with the runner."""
        name = named(pytestconfig, "runner")
        class_of(ComponentKind.RUNNER, name)
        settings = {"backend": "sqlite", "sqlite_db_path": str(tmp_path / "kit.db"), "runner_cls": name}
        return lambda app_id, **more: Pynenc({"app_id": app_id, **settings, **more})


class TestRunner(OwnFolder, RunnerSuite):
    """The runner."""

    many = 50

    @pytest.fixture
    def settings(self, pytestconfig: pytest.Config) -> Mapping[str, str]:
        """The runner; the settings that give it two slots come from the environment."""
        return {"runner_cls": named(pytestconfig, "runner")}
