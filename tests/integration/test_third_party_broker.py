"""A broker of a third party, installed with pip; everything else is built in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parent / "toy_plugin"
APPS = Path(__file__).parent / "apps"

SUITE = """
from pathlib import Path
import pytest
from pynenc import Pynenc, PynencBuilder
from pynenc.testing import BrokerSuite, LifeSuite

class TestFolderBroker(BrokerSuite, LifeSuite):
    @pytest.fixture
    def make_app(self, tmp_path: Path):
        def make(app_id, **more):
            builder = PynencBuilder().app_id(app_id).sqlite(str(tmp_path / "x.db"))
            builder.thread_runner(max_threads=2).folder_broker(str(tmp_path))
            return builder.logging_level("critical").custom_config(**more).build()
        return make
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment variables with which Python finds the installed plugin."""
    target = tmp_path_factory.mktemp("site")
    source = tmp_path_factory.mktemp("source") / "toy"
    shutil.copytree(PLUGIN, source)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--target", str(target), str(source)], check=True)
    return {**os.environ, "PYTHONPATH": f"{target}{os.pathsep}{APPS}"}


def run(environment: dict[str, str], *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], env={**environment, **more}, capture_output=True, text=True, check=False
    )


def test_the_plugin_is_listed_with_its_distribution(environment: dict[str, str]) -> None:
    listed = run(environment, "-m", "pynenc.cli.main", "plugins", "list", "--json")
    rows = [row for row in json.loads(listed.stdout)["components"] if row["name"] == "FolderBroker"]
    assert [(row["alias"], row["distribution"], row["version"]) for row in rows] == [
        ("folder", "pynenc-toy-broker", "1.2.3")
    ]


def test_setting_the_environment_is_all_that_a_user_does(environment: dict[str, str], tmp_path: Path) -> None:
    code = (
        "import threading, shop\n"
        "runner = shop.app.runner\n"
        "thread = threading.Thread(target=runner.run); thread.start()\n"
        "results = list(shop.add.parallelize([(1, 2), (3, 4)]).results)\n"
        "print(type(shop.app.broker).__name__, results)\n"
        "runner.stop_runner_loop(); thread.join()\n"
    )
    done = run(
        environment,
        "-c",
        code,
        PYNENC__BACKEND="sqlite",
        PYNENC__SQLITE_DB_PATH=str(tmp_path / "x.db"),
        PYNENC__BROKER_CLS="folder",
        PYNENC__FOLDER_PATH=str(tmp_path / "messages"),
        PYNENC__RUNNER_CLS="PersistentProcessRunner",
        PYNENC__NUM_PROCESSES="2",
    )
    assert done.stdout.strip() == "FolderBroker [3, 7]", done.stderr


def test_the_kit_certifies_it(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "test_folder.py").write_text(SUITE)
    done = run(environment, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path / "test_folder.py"))
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout
