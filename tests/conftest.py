"""What all tests share."""

from __future__ import annotations

import importlib
import logging
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from types import ModuleType

import pytest

pytest.register_assert_rewrite("pynenc.testing")

from pynenc import Pynenc  # noqa: E402 - the asserts of the kit must be rewritten first
from pynenc.storage.records import unreadable  # noqa: E402 - likewise

APPS = Path(__file__).parent / "integration" / "apps"


@pytest.fixture(autouse=True)
def clean_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """No app survives a test, no setting comes from outside, and no test writes into the project.

    Waits start no runner: the tests say themselves when something runs.
    """
    monkeypatch.setenv("PYNENC__EMBEDDED_RUNNER", "false")
    monkeypatch.setattr("pynenc.logs._owned", None)
    before = set(Pynenc._instances)
    monkeypatch.chdir(tmp_path_factory.mktemp("cwd"))
    yield
    for app_id in set(Pynenc._instances) - before:
        Pynenc.discard(app_id)
    unreadable.clear()


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Take the handlers of pytest, beside which ours are silent, off the root logger for some tests."""
    if item.get_closest_marker("bare_root") is None:
        return (yield)
    root = logging.getLogger()
    handlers, level, hooks = root.handlers[:], root.level, (sys.excepthook, threading.excepthook)
    root.handlers = []
    try:
        return (yield)
    finally:
        logging.captureWarnings(False)
        root.handlers, root.level = handlers, level
        sys.excepthook, threading.excepthook = hooks


@pytest.fixture
def load_app(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., ModuleType]]:
    """Imports a module of the apps, on SQLite; settings are given by name and reach child processes."""
    loaded: list[str] = []

    def load(name: str, **settings: str) -> ModuleType:
        defaults = {
            "backend": "sqlite",
            "sqlite_db_path": str(tmp_path / f"{name}.db"),
            "logging_level": "critical",
        }
        for setting, value in {**defaults, **settings}.items():
            monkeypatch.setenv(f"PYNENC__{setting.upper()}", value)
        monkeypatch.syspath_prepend(str(APPS))
        sys.modules.pop(name, None)  # a module from before would hold an app of before
        loaded.append(name)
        return importlib.import_module(name)

    yield load
    for name in loaded:
        sys.modules.pop(name, None)


@pytest.fixture
def shop(load_app: Callable[..., ModuleType]) -> ModuleType:
    """The shop's module, with two worker processes."""
    return load_app("shop", runner_cls="PersistentProcessRunner", num_processes="2")
