"""The pytest plugin: fixtures for tests of users' own, and the report card of the conformance kit.

The fixtures all begin with `pynenc_`. The kit runs with `pytest --pyargs pynenc.testing --pynenc-backend
NAME`. The plugin is loaded by every run of pytest where pynenc is installed, so it imports nothing
before it is asked for something.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pynenc.app import Pynenc
    from pynenc.testing.rehearsal import Rehearsal
    from pynenc.testing.submissions import Submissions

_KIT = "pynenc.testing."
_SUITE, _MEASURE = "pynenc suite", "pynenc measure"
_FOLDER = Path(__file__).parent
_KINDS = ("backend", "broker", "serializer", "runner")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--pynenc-backend`; every option has a name that no project of a user's has."""
    group = parser.getgroup("pynenc", "pynenc conformance kit")
    for kind in _KINDS:
        group.addoption(
            f"--pynenc-{kind}",
            metavar="NAME",
            help=f"The installed {kind} to prove with --pyargs pynenc.testing, by its alias.",
        )
    group.addoption(
        "--pynenc-stages",
        choices=("stop", "all"),
        help="Run the kit stage by stage, and stop after the first that is not green, or try all.",
    )
    group.addoption("--pynenc-report", metavar="PATH", help="Write the course of the stages there.")
    parser.addini(
        "pynenc_app",
        "The app of your project for the fixtures of pynenc, such as shop.queue:app; unset: as the command "
        "line finds it in the root folder.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark of pytest-timeout, which the kit uses, for runs without that plugin."""
    config.addinivalue_line("markers", "timeout: the longest time that a test may take (pytest-timeout)")
    stages = config.getoption("--pynenc-stages")
    if stages:
        path = config.getoption("--pynenc-report")
        run = _tool("pynenc.testing.kit_report").StagedRun(Path(path) if path else None, stages == "all")
        config.pluginmanager.register(run, "pynenc-stages")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the suites over installed components of which none is named."""
    kind = collection_path.stem.removeprefix("test_")
    if collection_path.parent != _FOLDER or kind not in _KINDS:
        return None
    chosen = [each for each in _KINDS if config.getoption(f"--pynenc-{each}")]
    return True if kind not in (chosen or _KINDS[:1]) else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Note which suite of the kit each test is from; the note travels with its report."""
    for item in items:
        suite = _suite(item)
        if suite:
            item.user_properties.append((_SUITE, suite))


def _suite(item: pytest.Item) -> str | None:
    """Name of the class of the kit that defines a test."""
    cls: type[Any] | None = getattr(item, "cls", None)
    name = getattr(item, "originalname", item.name)
    for base in cls.__mro__ if cls else ():
        if name in vars(base):
            return base.__name__ if base.__module__.startswith(_KIT) else None
    return None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the report card, if tests of the kit have run."""
    counts: dict[str, Counter[str]] = {}
    measures: dict[str, str] = {}
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(outcome, ()):
            known = dict(getattr(report, "user_properties", ()))
            if _SUITE not in known:
                continue
            counts.setdefault(known[_SUITE], Counter())[outcome] += 1
            measures.update(value for name, value in report.user_properties if name == _MEASURE)
    if not counts:
        return
    terminalreporter.section("pynenc conformance")
    for suite, count in sorted(counts.items()):
        bad = count["failed"] + count["error"]
        line = f"{count['passed']} passed" + (f", {bad} FAILED" if bad else "")
        line += f", {count['skipped']} skipped" if count["skipped"] else ""
        terminalreporter.write_line(f"{suite:<24} {line}", red=bool(bad), green=not bad)
    for what, figure in sorted(measures.items()):
        terminalreporter.write_line(f"{what:<44} {figure}")


# --- fixtures ----------------------------------------------------------------------------


@pytest.fixture
def pynenc_app(request: pytest.FixtureRequest) -> Pynenc:
    """The app of the project: what the option `pynenc_app` of pytest names; override it in a conftest.py."""
    name = request.config.getini("pynenc_app") or None
    found: Pynenc = _tool("pynenc.cli.discovery").load_app(name, request.config.rootpath)
    return found


@pytest.fixture
def pynenc_memory(pynenc_app: Pynenc) -> Iterator[Pynenc]:
    """The app with all components in memory, empty; nothing runs."""
    with _tool("pynenc.testing.in_memory").in_memory(pynenc_app):
        yield pynenc_app


@pytest.fixture
def pynenc_worker(pynenc_memory: Pynenc) -> Iterator[Pynenc]:
    """The app in memory, with a ThreadRunner in this process."""
    with _tool("pynenc.testing.in_memory").working(pynenc_memory):
        yield pynenc_memory


@pytest.fixture
def pynenc_clock(pynenc_memory: Pynenc) -> Iterator[Rehearsal]:
    """A rehearsal of the app in memory: nothing runs and no time passes, but when the test says so."""
    with _tool("pynenc.testing.rehearsal").rehearsing(pynenc_memory) as rehearsal:
        yield rehearsal


@pytest.fixture
def pynenc_sync(pynenc_memory: Pynenc) -> Iterator[Rehearsal]:
    """A synchronous app in memory: every call has run when it returns."""
    with _tool("pynenc.testing.synchronous").synchronous(pynenc_memory) as rehearsal:
        yield rehearsal


@pytest.fixture
def pynenc_submitted(pynenc_memory: Pynenc) -> Submissions:
    """The calls that the test has submitted, with `assert_submitted(task, ...)` and its like."""
    found: Submissions = _tool("pynenc.testing.submissions").Submissions(pynenc_memory)
    return found


def _tool(module: str) -> Any:
    """Import a module of ours once a test needs it."""
    return importlib.import_module(module)
