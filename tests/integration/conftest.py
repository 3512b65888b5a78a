"""Apps in processes of their own."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from pynenc.testing.app_fixtures import running

APPS = Path(__file__).parent / "apps"


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    """The shop's module, on SQLite with two worker processes."""
    settings = {
        "BACKEND": "sqlite",
        "SQLITE_DB_PATH": str(tmp_path / "shop.db"),
        "RUNNER_CLS": "PersistentProcessRunner",
        "NUM_PROCESSES": "2",
        "LOGGING_LEVEL": "critical",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"PYNENC__{name}", value)
    monkeypatch.syspath_prepend(str(APPS))
    yield importlib.import_module("shop")
    sys.modules.pop("shop", None)


@contextmanager
def shop_open(shop: ModuleType) -> Iterator[None]:
    """Run the shop's runner meanwhile."""
    with running(shop.app):
        yield


def wait_for(folder: Path, pattern: str, count: int = 1) -> list[Path]:
    """The files that match a pattern, once there are enough; the test's own limit ends a vain wait."""
    while len(found := sorted(folder.glob(pattern))) < count:
        time.sleep(0.01)
    return found
