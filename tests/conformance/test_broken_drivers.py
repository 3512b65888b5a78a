"""Tests of the tests: a driver that breaks a promise does not get through the kit, which says so and ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

import broken_brokers
import broken_connections
import broken_runners
import pytest
from broken_drivers import BROKEN
from plain_brokers import DequeBroker

from pynenc.storage.memory_storage import MemoryStorage

_CLASS = """

class Test{driver}(StorageSuite):
    many_processes = False

    @pytest.fixture
    def make_storage(self):
        return {module}.{driver}
"""
_CONFTEST = """
from collections import Counter

import pytest

failures = Counter()


def pytest_runtest_logreport(report):
    if report.failed:
        failures[report.nodeid.split("::")[1]] += 1


def pytest_runtest_setup(item):
    if failures[item.cls.__name__] >= 6:
        pytest.skip("it is broken, as is known by now")
"""
_BATCHES = 4


_ON_A_FILE = """

class Test{driver}(ConnectionSuite):
    @pytest.fixture
    def make_storage(self, tmp_path):
        return functools.partial({module}.{driver}, path=tmp_path / "kit.db")

    @pytest.fixture
    def newer_layout(self, tmp_path):
        def mark(storage):
            with contextlib.closing(sqlite3.connect(tmp_path / "kit.db")) as connection:
                connection.execute("UPDATE pynenc_meta SET value = 99 WHERE name = 'layout'")
                connection.commit()

        return mark
"""
_BROKER = """

class Test{driver}(PlainBrokerSuite):
    test_who_waits_leaves_what_it_does_not_take = None
    test_a_fork_does_not_use_the_connections_of_its_parent = None

    @pytest.fixture
    def make_app(self):
        settings = {{"broker_cls": "{module}.{driver}", "logging_level": "critical"}}
        return lambda app_id, **more: Pynenc({{"app_id": app_id, **settings, **more}})
"""


def verdicts(
    drivers: Sequence[type], folder: Path, template: str = _CLASS, patience: str = "2", chosen: str = "Test"
) -> dict[str, str]:
    """Return what the kit says of drivers or brokers: their failures by the name of the class."""
    modules = sorted({driver.__module__ for driver in drivers})
    text = "import contextlib\nimport functools\nimport sqlite3\nimport pytest\nfrom pynenc import Pynenc\n"
    text += "from pynenc.testing import ConnectionSuite, PlainBrokerSuite, RunnerSuite, StorageSuite\n"
    text += "".join(f"import {each}\n" for each in modules)
    text += "".join(template.format(module=each.__module__, driver=each.__name__) for each in drivers)
    (folder / "test_drivers.py").write_text(text, encoding="utf-8")
    (folder / "conftest.py").write_text(_CONFTEST, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--timeout",
        "40",
        "-k",
        chosen,
    ]
    path = f"{Path(__file__).parent} {Path(__file__).parents[1] / 'unit'}"
    done = subprocess.run(
        [*command, "-o", f"pythonpath={path}", "--rootdir", str(folder), "--junitxml=found.xml", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PYNENC_KIT_PATIENCE": patience},
    )
    assert done.returncode in (0, 1), done.stdout
    found = dict.fromkeys((driver.__name__ for driver in drivers), "")
    for case in ElementTree.parse(folder / "found.xml").iter("testcase"):
        for failure in (*case.iter("failure"), *case.iter("error")):
            name = case.attrib["classname"].rpartition(".")[2].removeprefix("Test")
            found[name] += f"{case.attrib['name']}\n{failure.attrib['message']}\n{failure.text}\n"
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("batch", range(_BATCHES))
def test_broken_drivers_are_caught(batch: int, tmp_path: Path) -> None:
    drivers = list(BROKEN)[batch::_BATCHES]
    found = verdicts(drivers, tmp_path)
    _check(drivers, found, BROKEN)


@pytest.mark.timeout(300)
def test_broken_connections_are_caught(tmp_path: Path) -> None:
    broken = broken_connections.BROKEN
    _check(list(broken), verdicts(list(broken), tmp_path, _ON_A_FILE, patience="1"), broken)


@pytest.mark.timeout(300)
def test_broken_brokers_are_caught(tmp_path: Path) -> None:
    _check_pairs(broken_brokers.BROKEN, _BROKER, tmp_path)


_RUNNER = """

class Test{driver}(RunnerSuite):
    @pytest.fixture
    def settings(self):
        return {{"runner_cls": "{module}.{driver}", "max_threads": "2"}}
"""


@pytest.mark.timeout(300)
def test_broken_runners_are_caught(tmp_path: Path) -> None:
    _check_pairs(broken_runners.BROKEN, _RUNNER, tmp_path)


def _check_pairs(broken: Mapping[type, tuple[str, str]], template: str, folder: Path) -> None:
    """Check that each class is caught by the test that is named for it."""
    pairs = " or ".join(f"({each.__name__} and {test})" for each, (test, _) in broken.items())
    found = verdicts(list(broken), folder, template, patience="1", chosen=pairs)
    _check(list(broken), found, {each: told for each, (_, told) in broken.items()})


def _check(drivers: Sequence[type], found: Mapping[str, str], broken: Mapping[type, str]) -> None:
    assert [each.__name__ for each in drivers if not found[each.__name__]] == []
    silent = {
        driver.__name__: found[driver.__name__]
        for driver in drivers
        if broken[driver] not in found[driver.__name__]
    }
    assert silent == {}
    assert [name for name, text in found.items() if "Timeout (>" in text] == []


def test_a_sound_driver_gets_through(tmp_path: Path) -> None:
    assert verdicts([MemoryStorage], tmp_path) == {"MemoryStorage": ""}
    (tmp_path / "broker").mkdir()
    assert verdicts([DequeBroker], tmp_path / "broker", _BROKER) == {"DequeBroker": ""}
