"""The promises of a runner."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

from pynenc.app import Pynenc
from pynenc.exceptions import InvocationCancelledError, InvocationTimeoutError
from pynenc.identifiers.ids import new_id
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.draining import drain, undrain
from pynenc.testing.app_fixtures import running
from pynenc.testing.promises import PATIENCE_S, check

_S = InvocationStatus
_TASKS = "kit_runner_tasks"
_BOUND_S = 4 * PATIENCE_S


class RunnerSuite:
    """The promises of a runner, with real files, processes and signals.

    Override the fixture `settings`. The tasks are in a module of their own, in a folder that is on the
    import path of this process and of its children.

    Attributes:
        many: How many calls are many.
    """

    many: ClassVar[int] = 200

    @pytest.fixture
    def settings(self) -> Mapping[str, str]:
        """Settings of the runner, such as `{"runner_cls": "ThreadRunner", "max_threads": "2"}`.

        It has to run exactly two bodies at a time. Everything else is kept in SQLite unless it is named here.
        """
        raise NotImplementedError("override the fixture 'settings'")

    @pytest.fixture
    def tasks(
        self, settings: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[ModuleType]:
        """The module with the tasks."""
        values = {
            "backend": "sqlite",
            "sqlite_db_path": str(tmp_path / "kit.db"),
            "logging_level": "critical",
            "embedded_runner": "false",
            "heartbeat_interval_seconds": "0.2",
            "runner_considered_dead_seconds": "2",
            "recovery_interval_seconds": "0.2",
            "shutdown_grace_seconds": f"{PATIENCE_S:g}",
            **settings,
        }
        for name, value in values.items():
            monkeypatch.setenv(f"PYNENC__{name.upper()}", value)
        shutil.copy(Path(__file__).with_name(f"{_TASKS}.py"), tmp_path / f"{_TASKS}.py")
        monkeypatch.syspath_prepend(str(tmp_path))
        path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
        monkeypatch.setenv("PYTHONPATH", path)
        monkeypatch.setenv("PYNENC__APP_ID", f"kit-{new_id()}")
        sys.modules.pop(_TASKS, None)
        module = importlib.import_module(_TASKS)
        yield module
        module.app.purge()
        sys.modules.pop(_TASKS, None)
        Pynenc.discard(module.app.app_id)

    # --- running -----------------------------------------------------------------------

    def test_functions_and_coroutines_run(self, tasks: ModuleType) -> None:
        with running(tasks.app):
            found = [tasks.add(1, 2).wait(_BOUND_S), tasks.add_async(3, 4).wait(_BOUND_S)]
            with pytest.raises(ValueError, match="because"):
                tasks.fail("because").wait(_BOUND_S)
        check(found == [3, 7], "functions and coroutines run", "call both", found, "how bodies are run")

    def test_many_run_once_each(self, tasks: ModuleType) -> None:
        with running(tasks.app):
            group = tasks.add.parallelize([(number, 1) for number in range(self.many)])
            found = [each.wait(_BOUND_S) for each in group]
        histories = [each.history for each in group]
        runs = [sum(entry.status == _S.RUNNING for entry in history) for history in histories]
        check(
            found == list(range(1, self.many + 1)) and set(runs) == {1},
            "each of many calls runs once",
            f"call {self.many} times",
            {"runs": sorted(set(runs)), "right": found == list(range(1, self.many + 1))},
            "what happens between `claim` and `write`",
        )

    def test_as_many_run_at_a_time_as_there_are_slots(self, tasks: ModuleType, tmp_path: Path) -> None:
        with running(tasks.app):
            pair = [tasks.meet(str(tmp_path), "a", "b"), tasks.meet(str(tmp_path), "b", "a")]
            found = [_outcome(each) for each in pair]
        check(
            found == ["b", "a"],
            "two slots run two bodies at the same time",
            "call two that wait for each other to begin",
            found,
            "how many threads or processes run bodies",
        )

    def test_no_more_run_than_there_are_slots(self, tasks: ModuleType, tmp_path: Path) -> None:
        names = ["a", "b", "c", "d"]
        with running(tasks.app):
            held = [tasks.hold(str(tmp_path), name) for name in names]
            _wait_for(lambda: len(_begun(tmp_path)) >= 2)
            _let_heartbeats_pass(tasks.app, 3)  # a third would have begun by then
            found = [tasks.app.orchestrator.count_states(_S.RUNNING), len(_begun(tmp_path))]
            for name in names:
                (tmp_path / f"{name}-may-end").touch()
            ended = sorted(_outcome(each) for each in held)
        check(
            found == [2, 2] and ended == names,
            "no more bodies run than there are slots",
            "call four that go on until they are told to end, with two slots",
            (found, ended),
            "how many invocations are claimed and started ahead",
        )

    def test_waiting_for_others_takes_no_slot(self, tasks: ModuleType) -> None:
        with running(tasks.app):
            found = _outcome(tasks.fibonacci(7))
        check(
            found == 13,
            "bodies may wait for others to any depth, however few slots there are",
            "call one that waits for two others, which wait for two others, and so on",
            found,
            "`waiting`, which has to give up the slot",
        )

    @pytest.mark.parametrize("how", ["exit", "interrupt", "generator"])
    def test_what_ends_programs_ends_a_body_only(self, tasks: ModuleType, how: str) -> None:
        with running(tasks.app):
            left = tasks.leave(how)
            ended = _wait_for(lambda: left.status if left.status.final else None)
            found = _outcome(tasks.add(1, 2))
        check(
            (ended, found) == (_S.FAILED, 3),
            "SystemExit, KeyboardInterrupt and GeneratorExit in a body are failures of that invocation",
            f"call one that raises ({how}); call another",
            (ended, found),
            "where exceptions of bodies are caught",
        )

    def test_retries_and_parked_workflows_go_on(self, tasks: ModuleType) -> None:
        with running(tasks.app):
            found = [_outcome(tasks.third_time()), _outcome(tasks.sleepy(0.3))]
        check(
            found == [2, "awake"],
            "what is to run again runs again when it is due: retries, and workflows that were parked",
            "call one that fails twice; call one that sleeps durably",
            found,
            "the ends with the status RETRY",
        )

    def test_a_body_knows_its_runner(self, tasks: ModuleType) -> None:
        with running(tasks.app):
            call = tasks.who()
            runner_id, _ = call.wait(_BOUND_S)
        owners = {each.runner_id for each in call.history if each.status in (_S.PENDING, _S.RUNNING)}
        check(
            owners == {runner_id},
            "a body runs under the id of the runner or worker that has claimed it",
            "call one that returns the id of its runner; look at its history",
            {"body": runner_id, "history": owners},
            "the `identity` that bodies are given",
        )

    def test_what_a_body_prints_and_reports_does_not_harm(self, tasks: ModuleType) -> None:
        with running(tasks.app):
            found = [_outcome(tasks.speak("{}\x00\xff ünï")), _outcome(tasks.report(5))]
            reported = tasks.report(7)
            assert _outcome(reported) == 7
            progress = reported.progress()
        check(
            found == [8, 5] and progress is not None and progress.done == 7,
            "what bodies print goes by, and the progress that they report is stored",
            "call one that prints; call one that reports its progress",
            (found, progress),
            "standard output, if the runner uses it itself; and what a process has to store before it ends",
        )

    # --- ending bodies -----------------------------------------------------------------

    def test_timeouts_end_bodies(self, tasks: ModuleType) -> None:
        with running(tasks.app):
            found = [_outcome(tasks.overtime(True))]
            ends_by_force = type(tasks.app.runner).ends_by_force
            if ends_by_force:
                found.append(_outcome(tasks.overtime(False)))
            after = _outcome(tasks.add(1, 2))
        check(
            all(isinstance(each, InvocationTimeoutError) for each in found) and after == 3,
            "a body whose time is over ends with InvocationTimeoutError, and others run on",
            "call one with a timeout that listens"
            + (", and one that does not; call another" if ends_by_force else "; call another"),
            (found, after),
            "`look_after`, and how a body is asked, and made, to end",
        )

    def test_cancelling_ends_bodies(self, tasks: ModuleType, tmp_path: Path) -> None:
        with running(tasks.app):
            held = tasks.hold(str(tmp_path), "a")
            _wait_for(lambda: _begun(tmp_path))
            held.cancel()
            found = _outcome(held)
        check(
            isinstance(found, InvocationCancelledError) and held.status == _S.CANCELLED,
            "a running body that is cancelled and listens ends as CANCELLED",
            "call one that goes on; cancel it",
            (found, held.status),
            "`look_after`, and how a body is asked to end",
        )

    # --- stopping ----------------------------------------------------------------------

    def test_what_runs_at_a_stop_may_finish(self, tasks: ModuleType, tmp_path: Path) -> None:
        with running(tasks.app):
            held = tasks.hold(str(tmp_path), "a")
            _wait_for(lambda: _begun(tmp_path))
            tasks.app.runner.stop_runner_loop()
            later = _first_that_waits(tasks)
            (tmp_path / "a-may-end").touch()
        check(
            held.status == _S.SUCCESS and not later.status.final,
            "a runner that stops lets bodies finish, and claims nothing more",
            "call one that goes on; stop the runner; call others until one waits; let the first end",
            (held.status, later.status),
            "`stop`, and the grace that it is given",
        )

    def test_what_does_not_finish_is_handed_back(self, tasks: ModuleType, tmp_path: Path) -> None:
        with running(tasks.app):
            held = tasks.hold(str(tmp_path), "a")
            _wait_for(lambda: _begun(tmp_path))
            tasks.app.runner.stop_runner_loop()
            tasks.app.runner.hurry()
        status = held.status
        (tmp_path / "a-may-end").touch()
        with running(tasks.app):
            found = _outcome(held)
        check(
            not status.final and found == "a",
            "what has not finished when the grace is over is handed back, and runs elsewhere",
            "call one that goes on; stop the runner and end its grace; start it again",
            (status, found),
            "what `stop` does with bodies that still run",
        )

    def test_a_runner_can_run_again(self, tasks: ModuleType) -> None:
        found = []
        for number in range(3):
            with running(tasks.app):
                found.append(_outcome(tasks.add(number, 1)))
        check(
            found == [1, 2, 3],
            "a runner that has stopped can run again",
            "run, call and stop, three times",
            found,
            "state of a run that is left in the runner",
        )

    def test_a_runner_that_drains_claims_nothing(self, tasks: ModuleType) -> None:
        app: Pynenc = tasks.app
        with running(app):
            assert tasks.add(1, 2).wait(_BOUND_S) == 3
            drain(app.components, app.runner.runner_id)
            waiting = _first_that_waits(tasks)
            undrain(app.components, app.runner.runner_id)
            found = _outcome(waiting)
        check(
            found == 1,
            "a runner that drains claims nothing more, until it is asked to go on",
            "drain; call until a call waits; undrain",
            found,
            "`drain` of the engine, which its heartbeat calls",
        )

    # --- upkeep ------------------------------------------------------------------------

    def test_it_gives_signs_of_life(self, tasks: ModuleType, tmp_path: Path) -> None:
        app: Pynenc = tasks.app
        with running(app):
            tasks.hold(str(tmp_path), "a")
            _wait_for(lambda: _begun(tmp_path))
            (state,) = app.orchestrator.find_states(_S.RUNNING)
            owner = state.runner_id or ""
            first = _wait_for(lambda: app.orchestrator.last_heartbeats([owner])[0])
            later = _wait_for(
                lambda: beat if (beat := app.orchestrator.last_heartbeats([owner])[0]) != first else None
            )
            (tmp_path / "a-may-end").touch()
        check(
            later is not None and first is not None and later > first,
            "whoever owns an invocation gives signs of life as long as it runs",
            "call one that goes on; look at the heartbeat of its owner, twice",
            (first, later),
            "the `heartbeat` of the engine, which has to be started",
        )

    def test_it_does_the_housekeeping_and_starts_what_triggers_start(self, tasks: ModuleType) -> None:
        app: Pynenc = tasks.app
        lost = tasks.add(1, 2)
        app.broker.purge()
        with running(app):
            app.trigger.emit_event("kit-runner-event")
            started = _wait_for(lambda: app.find_invocations(tasks.started_by_event, limit=1))
            found = [_outcome(started[0]) if started else None, _outcome(lost)]
        check(
            found == ["started", 3],
            "a runner starts what triggers start, and finds calls whose message was lost",
            "call; purge the broker; run; emit an event that starts a task",
            found,
            "`TriggerService` and `make_housekeeping`, which `execute` has to start",
        )

    @pytest.mark.timeout(180)
    def test_what_a_killed_runner_had_is_run_by_another(self, tasks: ModuleType, tmp_path: Path) -> None:
        command = [sys.executable, "-m", "pynenc", "--app", f"{_TASKS}:app", "runner", "start"]
        with (tmp_path / "runner.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            held = tasks.hold(str(tmp_path), "a")
            _wait_for(lambda: _begun(tmp_path) or (process.poll() is not None or None))
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        (tmp_path / "a-may-end").touch()
        with running(tasks.app):
            found = _outcome(held)
        check(
            found == "a",
            "what a runner had that was killed is run by another",
            "call one that goes on; kill the runner and its children; run another",
            (found, (tmp_path / "runner.log").read_text(errors="replace")[-500:]),
            "heartbeats that go on although the runner is gone, or the id under which it claims",
        )


def _begun(folder: Path) -> list[Path]:
    return sorted(folder.glob("*-began-*"))


def _outcome(call: Any) -> Any:
    """Return the result of a call, or what it raises."""
    try:
        return call.wait(_BOUND_S)
    except Exception as error:  # noqa: BLE001 - which one is what is looked at
        return error


def _wait_for(look: Callable[[], Any]) -> Any:
    """Return what a look gives, once it gives anything; what it gives at last when patience ends."""
    end = time.monotonic() + _BOUND_S
    while not (found := look()) and time.monotonic() < end:
        time.sleep(0.005)
    return found


def _let_heartbeats_pass(app: Pynenc, count: int) -> None:
    """Wait until the owner of something that runs has given so many signs of life."""
    states = app.orchestrator.find_states(_S.RUNNING, limit=1)
    owner = (states[0].runner_id if states else None) or ""
    for _ in range(count):
        (last,) = app.orchestrator.last_heartbeats([owner])
        _wait_for(lambda last=last: app.orchestrator.last_heartbeats([owner])[0] != last)  # type: ignore[misc]


def _first_that_waits(tasks: ModuleType) -> Any:
    """Return a call that nobody runs any more; the workers hear of it one by one."""
    end = time.monotonic() + _BOUND_S
    while time.monotonic() < end:
        call = tasks.add(0, 1)
        try:
            call.wait(0.5)
        except TimeoutError:
            return call
    raise AssertionError("a runner that drains goes on claiming")
