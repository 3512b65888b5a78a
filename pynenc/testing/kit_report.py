"""The course of a run of the kit, stage by stage, for `pynenc certify` and for those who read along."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pynenc.testing.stages import STAGES, promise_of, stage_of

SUITE = "pynenc suite"
"""Name of the property of a test's report that names its suite."""
MEASURE = "pynenc measure"
"""Name of a property that a test records for the report; its value is (what, figure)."""


class StagedRun:
    """Runs the tests of the kit stage by stage, and ends after the first stage that is not green.

    Args:
        path: Where to write the course of it, a line of JSON for each stage, or None.
        goes_on: Whether later stages are tried all the same.
    """

    def __init__(self, path: Path | None, goes_on: bool) -> None:
        self._path = path
        self._goes_on = goes_on
        self._stages: dict[str, str] = {}
        self._left: Counter[str] = Counter()
        self._seen: dict[str, dict[str, Any]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put the tests in the order of their stages; those that are not of the kit come last."""
        for item in items:
            suite = dict(item.user_properties).get(SUITE)
            if isinstance(suite, str):
                name = getattr(item, "originalname", item.name)
                self._stages[item.nodeid] = stage_of(suite, name)
        self._left.update(self._stages.values())
        items.sort(key=lambda item: STAGES.index(self._stages.get(item.nodeid, STAGES[-1])))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Note which test begins, should it be the last."""
        if nodeid in self._stages:
            self._write({"began": nodeid, "in": self._stages[nodeid]})

    def pytest_sessionfinish(self) -> None:
        """Note that the run has come to its end."""
        self._write({"finished": True})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the outcome of a test."""
        stage = self._stages.get(report.nodeid)
        if stage is None:
            return
        seen = self._seen.setdefault(
            stage,
            {
                "passed": 0,
                "failed": 0,
                "skipped": 0,
                "seconds": 0.0,
                "promises": {},
                "failures": [],
                "reasons": {},
            },
        )
        seen["seconds"] += report.duration
        known = dict(report.user_properties)
        if report.failed or (report.when == "call" and report.passed) or (report.skipped):
            seen[report.outcome] += 1
            promise = promise_of(report.nodeid.rpartition("::")[2])
            before = seen["promises"].setdefault(known[SUITE], {}).get(promise, "passed")
            worst = "failed" if "failed" in (before, report.outcome) else report.outcome
            seen["promises"][known[SUITE]][promise] = worst
            if report.skipped and isinstance(report.longrepr, tuple):
                seen["reasons"].setdefault(report.longrepr[2].removeprefix("Skipped: "), []).append(promise)
        if report.failed:
            seen["failures"].append({"test": report.nodeid, "text": report.longreprtext})
        measured = [value for name, value in report.user_properties if name == MEASURE]
        if report.when == "call" and measured:
            seen.setdefault("figures", {}).update(measured)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> Any:
        """Tell of a stage after its last test, and end the run if it is not green."""
        done = yield
        stage = self._stages.get(item.nodeid)
        if stage is not None:
            self._left[stage] -= 1
            if self._left[stage] == 0:
                self._tell(stage)
                if self._seen.get(stage, {}).get("failed") and not self._goes_on:
                    item.session.shouldstop = f"the stage '{stage}' is not green"
        return done

    def _tell(self, stage: str) -> None:
        self._write({"stage": stage, **self._seen.get(stage, {})})

    def _write(self, entry: Mapping[str, Any]) -> None:
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(entry) + "\n")
