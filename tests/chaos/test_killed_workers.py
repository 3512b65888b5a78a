"""Real processes on SQLite: killed, frozen and thawed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from pynenc.invocation.status import InvocationStatus
from pynenc.testing.app_fixtures import running

APPS = Path(__file__).parents[1] / "integration" / "apps"
COUNT, KILLS = 500, 10


@pytest.fixture(autouse=True)
def hardy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers are replaced at once, and nothing gives up."""
    monkeypatch.setenv("PYNENC__RESTART_DELAY_SECONDS", "0.01")
    monkeypatch.setenv("PYNENC__MAX_RECOVERIES", "20")


def ended(shop: ModuleType) -> int:
    return int(shop.app.orchestrator.count_states(InvocationStatus.SUCCESS))


def check_all(shop: ModuleType, group: list[object]) -> None:
    """Each ended once, with the result of its last claim."""
    for number, invocation in enumerate(group):
        assert invocation.result == number + 1  # type: ignore[attr-defined]
        statuses = Counter(entry.status for entry in invocation.history)  # type: ignore[attr-defined]
        assert statuses[InvocationStatus.SUCCESS] == 1
    assert ended(shop) == len(group)
    assert shop.app.broker.queues() == []


@pytest.mark.timeout(300)
def test_every_invocation_ends_though_workers_are_killed(shop: ModuleType) -> None:
    chance = random.Random(7)
    with running(shop.app):
        group = list(shop.add_slowly.parallelize([(number, 1) for number in range(COUNT)]))
        killed = 0
        while killed < KILLS:
            target = COUNT * (killed + 1) // (KILLS + 2)
            while ended(shop) < target:
                time.sleep(0.005)
            workers = shop.app.runner.workers
            if workers:
                os.kill(chance.choice(workers).pid, signal.SIGKILL)
                killed += 1
        check_all(shop, group)


@pytest.mark.timeout(300)
def test_a_frozen_worker_that_thaws_changes_nothing(
    shop: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # A worker that is frozen inside a write would hold the file's lock, so it is frozen in a body.
    monkeypatch.setenv("PYNENC__RUNNER_CONSIDERED_DEAD_SECONDS", "1")
    monkeypatch.setenv("PYNENC__HEARTBEAT_INTERVAL_SECONDS", "0.2")
    monkeypatch.setenv("PYNENC__RECOVERY_INTERVAL_SECONDS", "0.5")
    shop.app.conf.runner_considered_dead_seconds = 1
    shop.app.conf.heartbeat_interval_seconds = 0.2
    shop.app.conf.recovery_interval_seconds = 0.5
    with running(shop.app):
        frozen = shop.touch_and_wait(str(tmp_path))
        while not (found := list(tmp_path.glob("running-*"))):
            time.sleep(0.01)
        pid = int(found[0].name.removeprefix("running-"))
        os.kill(pid, signal.SIGSTOP)
        try:
            group = list(shop.add_slowly.parallelize([(number, 1) for number in range(50)]))
            while len(list(tmp_path.glob("running-*"))) < 2:
                time.sleep(0.01)
            (tmp_path / "go").touch()
            assert frozen.result != pid
        finally:
            os.kill(pid, signal.SIGCONT)
        for number, invocation in enumerate(group):
            assert invocation.result == number + 1
        # The thawed worker works on, and its late end did not count.
        assert shop.add(1, 2).result == 3
        assert [entry.status for entry in frozen.history].count(InvocationStatus.SUCCESS) == 1


@pytest.mark.timeout(120)
def test_what_a_dead_machine_ran_runs_again_with_default_settings(shop: ModuleType, tmp_path: Path) -> None:
    script = "import shop; shop.app.runner.run()"
    machine = subprocess.Popen([sys.executable, "-c", script], cwd=APPS, start_new_session=True)
    invocation = shop.touch_and_wait(str(tmp_path))
    while not (found := list(tmp_path.glob("running-*"))):
        time.sleep(0.01)
    os.killpg(machine.pid, signal.SIGKILL)  # the runner and its workers, all at once
    machine.wait()
    (tmp_path / "go").touch()
    with running(shop.app):
        assert invocation.result != int(found[0].name.removeprefix("running-"))
    statuses = [entry for entry in invocation.history if entry.status == InvocationStatus.RUNNING_RECOVERY]
    assert len(statuses) == 1
    # Noticed after its last heartbeat has aged and at the next pass, which is spread by a fifth.
    conf = shop.app.conf
    assert conf.dead_after_seconds + 1.2 * conf.recovery_interval_seconds < 15
