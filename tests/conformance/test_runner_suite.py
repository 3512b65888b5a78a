"""Our own runners, against the kit."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from pynenc.testing import RunnerSuite


class TestThreadRunner(RunnerSuite):
    @pytest.fixture
    def settings(self) -> Mapping[str, str]:
        return {"runner_cls": "ThreadRunner", "max_threads": "2"}


class TestAsyncRunner(RunnerSuite):
    @pytest.fixture
    def settings(self) -> Mapping[str, str]:
        return {"runner_cls": "AsyncRunner", "max_concurrency": "2"}


class TestPersistentProcessRunner(RunnerSuite):
    @pytest.fixture
    def settings(self) -> Mapping[str, str]:
        return {"runner_cls": "PersistentProcessRunner", "num_processes": "2"}


class TestProcessRunner(RunnerSuite):
    @pytest.fixture
    def settings(self) -> Mapping[str, str]:
        return {"runner_cls": "ProcessRunner", "num_processes": "2"}


class TestMultiThreadRunner(RunnerSuite):
    @pytest.fixture
    def settings(self) -> Mapping[str, str]:
        return {
            "runner_cls": "MultiThreadRunner",
            "max_processes": "2",
            "min_processes": "2",
            "max_threads": "1",
        }
