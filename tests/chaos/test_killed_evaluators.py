"""Runners in processes of their own, killed one by one, while a cron and events start tasks."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pynenc import Pynenc
from pynenc.testing.app_fixtures import running
from pynenc.trigger.records import RunState, TriggerRun

APPS = Path(__file__).parents[1] / "integration" / "apps"
QUICK = {
    "runner_cls": "ThreadRunner",
    "max_threads": "2",
    "runner_considered_dead_seconds": "1",
    "heartbeat_interval_seconds": "0.2",
    "recovery_interval_seconds": "0.5",
}


@contextmanager
def runners(count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    script = "import clockwork; clockwork.app.runner.run()"
    started = [subprocess.Popen([sys.executable, "-c", script], cwd=APPS) for _ in range(count)]
    try:
        yield started
    finally:
        for each in started:
            each.kill()
            each.wait()


def runs_of(app: Pynenc, task: Any) -> list[TriggerRun]:
    found = app.trigger.find_runs(limit=10_000)
    return [run for run in reversed(found) if run.task_id == task.task_id.key and run.state == RunState.FIRED]


def wait_for_more(app: Pynenc, task: Any, count: int) -> None:
    before = len(runs_of(app, task))
    while len(runs_of(app, task)) < before + count:
        time.sleep(0.02)


@pytest.mark.timeout(120)
def test_a_cron_ticks_on_while_its_runners_are_killed(load_app: Callable[..., ModuleType]) -> None:
    clockwork = load_app("clockwork", **QUICK)
    app, tick = clockwork.app, clockwork.tick
    with runners(3) as processes:
        for process in processes:
            wait_for_more(app, tick, 2)
            process.kill()
            process.wait()
    with running(app):
        wait_for_more(app, tick, 2)
        seconds = [app.get_invocation(run.invocation_id).result for run in runs_of(app, tick)]
    assert sorted(seconds) == list(range(min(seconds), min(seconds) + len(seconds)))
    assert len(seconds) >= 8


@pytest.mark.timeout(120)
def test_each_event_starts_its_task_once_while_runners_are_killed(
    load_app: Callable[..., ModuleType],
) -> None:
    clockwork = load_app("clockwork", **QUICK)
    app, note = clockwork.app, clockwork.note
    with runners(3) as processes:
        wait_for_more(app, clockwork.tick, 1)
        for index, process in enumerate(processes):
            for number in range(100):
                app.trigger.emit_event("note", {"number": index * 100 + number})
                if number == 50:
                    process.kill()
    with running(app):
        while app.trigger.open_occurrences(1):
            time.sleep(0.02)
        numbers = [app.get_invocation(run.invocation_id).result for run in runs_of(app, note)]
    assert sorted(numbers) == list(range(0, 300, 2))
    assert len(app.find_invocations(task=note, limit=1000)) == 150
