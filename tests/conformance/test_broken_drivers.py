"""Tests of the tests: a driver that breaks a promise does not get through the kit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from broken_drivers import BROKEN

from pynenc.storage.base_storage import Storage
from pynenc.storage.memory_storage import MemoryStorage

TEMPLATE = """
import pytest
from pynenc.testing import StorageSuite
from {module} import {driver}

class TestDriver(StorageSuite):
    many_processes = False

    @pytest.fixture
    def make_storage(self):
        return {driver}
"""


def verdict(driver: type[Storage], folder: Path) -> subprocess.CompletedProcess[str]:
    """What the kit says of a driver."""
    file = folder / "test_driver.py"
    file.write_text(TEMPLATE.format(module=driver.__module__, driver=driver.__name__), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--timeout", "15"]
    path = str(Path(__file__).parent)
    return subprocess.run(
        [*command, "-o", f"pythonpath={path}", "--rootdir", str(folder), str(file)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )


@pytest.mark.parametrize("driver", BROKEN, ids=lambda driver: driver.__name__)
def test_a_broken_driver_is_caught(driver: type[Storage], tmp_path: Path) -> None:
    done = verdict(driver, tmp_path)
    assert done.returncode == 1, done.stdout
    assert "1 FAILED" in done.stdout  # the report card says so as well


def test_a_sound_driver_gets_through(tmp_path: Path) -> None:
    done = verdict(MemoryStorage, tmp_path)
    assert done.returncode == 0, done.stdout
    assert "FAILED" not in done.stdout
