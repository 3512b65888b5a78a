"""The kit's pytest plugin: `pytest --pyargs pynenc.testing --pynenc-backend NAME`, and the report card.

It is loaded by every run of pytest where pynenc is installed, so it imports nothing before it is
asked for something.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

MEASURE = "pynenc measure"
"""Name of a property that a test records for the report card; its value is (what, figure)."""
_KIT = "pynenc.testing."


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--pynenc-backend`; every option has a name that no project of a user's has."""
    group = parser.getgroup("pynenc", "pynenc conformance kit")
    group.addoption(
        "--pynenc-backend",
        metavar="NAME",
        help="The installed backend to prove with --pyargs pynenc.testing, by its alias (such as redis).",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark of pytest-timeout, which the kit uses, for runs without that plugin."""
    config.addinivalue_line("markers", "timeout: the longest time that a test may take (pytest-timeout)")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Note which suite of the kit each test is from; the note travels with its report."""
    for item in items:
        suite = _suite(item)
        if suite:
            item.user_properties.append(("pynenc suite", suite))


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
            if "pynenc suite" not in known:
                continue
            counts.setdefault(known["pynenc suite"], Counter())[outcome] += 1
            measures.update(value for name, value in report.user_properties if name == MEASURE)
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
