"""Tests of the tests: a driver that breaks a promise does not get through the kit, which says so and ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from broken_drivers import BROKEN

from pynenc.storage.base_storage import Storage
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


def verdicts(drivers: list[type[Storage]], folder: Path) -> dict[str, str]:
    """Return what the kit says of drivers: their failures by the name of the driver."""
    modules = sorted({driver.__module__ for driver in drivers})
    text = "import pytest\nfrom pynenc.testing import StorageSuite\n"
    text += "".join(f"import {each}\n" for each in modules)
    text += "".join(_CLASS.format(module=each.__module__, driver=each.__name__) for each in drivers)
    (folder / "test_drivers.py").write_text(text, encoding="utf-8")
    (folder / "conftest.py").write_text(_CONFTEST, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout", "40"]
    path = str(Path(__file__).parent)
    done = subprocess.run(
        [*command, "-o", f"pythonpath={path}", "--rootdir", str(folder), "--junitxml=found.xml", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PYNENC_KIT_PATIENCE": "2"},
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
    assert [each.__name__ for each in drivers if not found[each.__name__]] == []
    silent = {
        driver.__name__: found[driver.__name__]
        for driver in drivers
        if BROKEN[driver] not in found[driver.__name__]
    }
    assert silent == {}
    assert [name for name, text in found.items() if "Timeout (>" in text] == []


def test_a_sound_driver_gets_through(tmp_path: Path) -> None:
    assert verdicts([MemoryStorage], tmp_path) == {"MemoryStorage": ""}
