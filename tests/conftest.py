"""What all tests share."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

pytest.register_assert_rewrite("pynenc.testing")

from pynenc import Pynenc  # noqa: E402 - the asserts of the kit must be rewritten first

APPS = Path(__file__).parent / "integration" / "apps"


@pytest.fixture(autouse=True)
def clean_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """No app survives a test, no setting comes from outside, and no test writes into the project."""
    before = set(Pynenc._instances)
    monkeypatch.chdir(tmp_path_factory.mktemp("cwd"))
    yield
    for app_id in set(Pynenc._instances) - before:
        Pynenc.discard(app_id)


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
    sys.modules.pop("shop", None)  # a module from before would hold an app of before
    yield importlib.import_module("shop")
    sys.modules.pop("shop", None)
